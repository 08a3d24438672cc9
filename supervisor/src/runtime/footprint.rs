//! Lets go of the pages of our own program that only the start needed.
//!
//! The kernel maps a program in strides around each page that is touched, so reading a
//! configuration and starting a fleet leaves nearly all of the program and of libc in our resident
//! memory, for a loop that then waits with a part of it. The pages stay in the page cache: whatever
//! is needed again costs a minor fault, once.

#![expect(unsafe_code, reason = "madvise on our own program has no safe wrapper")]

use std::collections::BTreeSet;

/// What the kernel counts of a mapping's own pages: what the loader wrote and then closed, such as
/// relocations, is one of these.
const OWN: [&str; 3] = ["Anonymous:", "Private_Hugetlb:", "Swap:"];

/// Unmaps the pages of our program and its libraries that are as they are in their files, until
/// they are needed again.
pub(crate) fn let_go_of_program() {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for (start, length) in unchanged(&maps) {
        // SAFETY: the range is one whole mapping of ours, as the kernel just listed it; those of our
        // program and its libraries are never unmapped, and of another file dropping clean pages
        // changes nothing. It is a private mapping of a file, not writable, and holds no page of its
        // own, in memory or swapped out, so each of its pages is that of the file: what is dropped
        // here is read from the file again by the fault that needs it.
        let _ = unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// Where the mappings of files begin that nobody can write to and nobody has written to, and how
/// long they are.
fn unchanged(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    let mut shown = BTreeSet::new();
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(word) = words.next() else { continue };
        if !word.ends_with(':') {
            candidate = of_a_file(line);
            shown.clear();
        } else if OWN.contains(&word) {
            if words.next() != Some("0") {
                candidate = None;
            }
            shown.insert(word);
            if shown.len() == OWN.len() {
                found.extend(candidate.take());
            }
        }
    }
    found
}

/// The range of a mapping whose first line this is, if it is a private one of a file and closed to
/// writing.
fn of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (rights, path) = (words.next()?, words.nth(3)?);
    let number = |digits| usize::from_str_radix(digits, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    (matches!(rights, "r-xp" | "r--p") && path.starts_with('/'))
        .then(|| (start, end.saturating_sub(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file_is_let_go() {
        let mapping = |rights: &str, path: &str, (anonymous, swap): (u32, u32)| {
            unchanged(&format!(
                "1000-3000 {rights} 0 fe:00 12 {path}\nRss: 8 kB\nAnonymous: {anonymous} kB\n\
                 Private_Hugetlb: 0 kB\nSwap: {swap} kB\nVmFlags: rd ex mr\n"
            ))
        };
        let map = |rights: &str, path: &str, anonymous| mapping(rights, path, (anonymous, 0));
        let whole = vec![(0x1000, 0x2000)];
        assert_eq!(map("r-xp", "/usr/bin/mcp-supervisor", 0), whole);
        assert_eq!(map("r--p", "/usr/bin/mcp-supervisor", 0), whole);
        for (rights, path, anonymous) in [
            ("r--p", "/usr/bin/mcp-supervisor", 4),
            ("rw-p", "/usr/bin/mcp-supervisor", 0),
            ("rwxp", "/usr/bin/mcp-supervisor", 0),
            ("r-xs", "/usr/bin/mcp-supervisor", 0),
            ("r-xp", "[vdso]", 0),
            ("r--p", "", 0),
        ] {
            assert_eq!(map(rights, path, anonymous), [], "{rights} {path} {anonymous}");
        }
        assert_eq!(mapping("r--p", "/usr/bin/mcp-supervisor", (0, 4)), [], "swapped out");
        assert_eq!(unchanged("Anonymous: 0 kB\nPrivate_Hugetlb: 0 kB\nSwap: 0 kB\n"), []);
    }

    #[test]
    fn resident_memory_shrinks_and_the_program_goes_on() {
        let resident = || -> u64 {
            let text = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let before = resident();
        let_go_of_program();
        let after = resident();
        assert!(after < before, "{before} kB, then {after} kB");
    }
}
