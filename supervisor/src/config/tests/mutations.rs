//! Random damage to the shipped file: always an answer, never a panic.

use super::Workplace;
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
                assert!(!problems.list().is_empty(), "seed {seed}");
                for problem in problems.list() {
                    assert!(!problem.message.is_empty(), "seed {seed}");
                    assert!(problem.key.is_some() || problem.place.is_some(), "seed {seed}");
                }
                assert!(
                    !problems.to_string().contains(|c: char| c.is_control() && c != '\n'),
                    "seed {seed}"
                );
            }
        }
    }
    // Both kinds must occur, or the damage is too little or too much to show anything.
    assert!(accepted > 300 && refused > 3000, "{accepted} accepted, {refused} refused");
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
