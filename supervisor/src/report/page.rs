//! The page that text is laid out on: with colours or without, and how wide it is.
//!
//! Only what a person looks at is broken into lines: what goes into a file or a pipe stays one line
//! for each thing, so that `grep` finds it whole.

/// Whether the terminal shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// It does.
    Shown,
    /// It does not, or it is no terminal.
    Plain,
}

/// What text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Whether there are colours.
    pub colour: Colour,
    /// How many characters fit into a line; none where lines are never broken.
    pub width: Option<usize>,
}

/// So few characters are no room to break words into.
const WIDTH_MIN: usize = 20;

impl Page {
    /// Whether a line fits.
    pub(super) fn fits(self, line: &str) -> bool {
        self.width.is_none_or(|width| line.chars().count() <= width.max(WIDTH_MIN))
    }

    /// The lines of a text, each broken between words where it is too long; what follows is
    /// indented by this much. A word that is too long stays whole.
    pub(super) fn wrapped(self, text: &str, indent: usize) -> String {
        text.lines().map(|line| self.broken(line, indent)).collect()
    }

    fn broken(self, line: &str, indent: usize) -> String {
        let Some(width) = self.width.filter(|_| !self.fits(line)) else {
            return format!("{line}\n");
        };
        let width = width.max(WIDTH_MIN);
        let words_at = line.len() - line.trim_start().len();
        let (margin, words) = line.split_at(words_at);
        let mut lines = vec![margin.to_owned()];
        let mut column = margin.len();
        for word in words.split(' ') {
            let length = word.chars().count();
            let begins = lines.last().is_some_and(|last| last.trim().is_empty());
            if !begins && column + 1 + length > width {
                lines.push(" ".repeat(indent));
                column = indent;
            } else if !begins {
                lines.last_mut().into_iter().for_each(|last| last.push(' '));
                column += 1;
            }
            lines.last_mut().into_iter().for_each(|last| last.push_str(word));
            column += length;
        }
        lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(width: Option<usize>, text: &str) -> String {
        Page { colour: Colour::Plain, width }.wrapped(text, 4)
    }

    #[test]
    fn long_lines_are_broken_between_words_where_there_is_a_width() {
        let text = "  note: one two three four five six\nshort";
        assert_eq!(on(None, text), "  note: one two three four five six\nshort\n");
        let broken = "  note: one two three\n    four five six\nshort\n";
        assert_eq!(on(Some(21), text), broken);
        assert!(on(Some(21), text).lines().all(|line| line.chars().count() <= 21));
        assert_eq!(on(Some(1), text), on(Some(20), text), "no line is narrower than a word");
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        let text = "/a/path/that/is/longer/than/a/line and more";
        assert_eq!(on(Some(20), text), "/a/path/that/is/longer/than/a/line\n    and more\n");
        assert_eq!(on(Some(20), ""), "");
    }
}
