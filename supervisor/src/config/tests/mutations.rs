//! Random damage to the shipped file: always an answer, never a panic.

use super::{Problems, Workplace};
use crate::machine::Rng;

const ROUNDS: u64 = 10_000;

#[test]
fn no_damage_to_the_file_makes_the_reading_panic() {
    let workplace = Workplace::new();
    let shipped = super::keys::everything_enabled();
    let (mut accepted, mut refused) = (0u32, 0u32);
    for seed in 0..ROUNDS {
        let mut rng = Rng::new(seed);
        let mut bytes = shipped.clone().into_bytes();
        for _ in 0..=rng.below(4) {
            damage(&mut bytes, &mut rng);
        }
        let environment = ["development", "staging", "production"][pick(&mut rng, 3)];
        match workplace.load(&bytes, Some(environment)) {
            Ok(_) => accepted += 1,
            Err(problems) => {
                refused += 1;
                let is_toml = std::str::from_utf8(&bytes)
                    .is_ok_and(|text| !text.contains('\0') && text.parse::<toml::Table>().is_ok());
                assert_points_somewhere(&problems, is_toml, &format!("seed {seed}"));
            }
        }
    }
    // Both kinds must occur, or the damage is too little or too much to show anything.
    assert!(accepted > 300 && refused > 3000, "{accepted} accepted, {refused} refused");
}

/// Every problem has file, line and column, and a key where the text is TOML at all.
fn assert_points_somewhere(problems: &Problems, is_toml: bool, what: &str) {
    assert!(!problems.list().is_empty(), "{what}");
    for problem in problems.list() {
        assert!(!problem.message.is_empty(), "{what}");
        assert!(problem.file.ends_with("ecosystem.toml"), "{what}");
        assert!(problem.place.is_some(), "{what}: {problems}");
        assert!(problem.key.is_some() || !is_toml, "{what}: {problems}");
    }
    let shown = problems.to_string();
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{what}");
}

#[test]
fn no_bytes_at_all_make_the_reading_panic() {
    let workplace = Workplace::new();
    let seeds = [super::keys::everything_enabled(), super::QUERY.to_owned(), String::new()];
    for seed in 0..ROUNDS / 10 {
        let mut rng = Rng::new(seed ^ 0xF00D);
        let mut bytes = seeds[pick(&mut rng, seeds.len())].clone().into_bytes();
        // From a file with many faults to mere noise.
        for _ in 0..rng.below(200) {
            damage(&mut bytes, &mut rng);
        }
        for _ in 0..rng.below(50) {
            bytes.push(u8::try_from(rng.below(256)).unwrap());
        }
        match workplace.load(&bytes, None) {
            Ok(config) => {
                let again = workplace.load(&bytes, None);
                assert_eq!(again.as_ref().ok(), Some(&config), "seed {seed}");
                drop((config.desired(1), config.socket()));
            }
            Err(problems) => assert_points_somewhere(&problems, false, &format!("seed {seed}")),
        }
    }
}

fn pick(rng: &mut Rng, count: usize) -> usize {
    usize::try_from(rng.below(count as u64)).unwrap()
}

fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let start = pick(rng, bytes.len());
    let end = (start + 1 + pick(rng, 40)).min(bytes.len());
    match rng.below(6) {
        0 => bytes[start] ^= 1 << rng.below(8),
        1 => drop(bytes.drain(start..end)),
        2 => {
            let piece = bytes[start..end].to_vec();
            let at = pick(rng, bytes.len());
            bytes.splice(at..at, piece);
        }
        3 => bytes.truncate(start),
        4 => bytes[start] = b"\0\n\r\"'[]{}=.,#-0\xFF"[pick(rng, 16)],
        _ => {
            let other = pick(rng, bytes.len());
            bytes.swap(start, other);
        }
    }
}
