//! The form of supervisord's file: sections, keys, values over several lines, comments.
//!
//! Written for this one form, because no crate at hand keeps all of it: comments behind a value
//! begin with ` ;` or ` #`, indented lines continue a value, names of keys have no case.

/// A section and its keys, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) entries: Vec<(String, String)>,
}

impl Section {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, key: String, value: String) {
        match self.entries.iter_mut().find(|(name, _)| *name == key) {
            Some((_, known)) => *known = value,
            None => self.entries.push((key, value)),
        }
    }
}

/// The sections of a text; of one that is there twice the later keys hold.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, String> {
    let mut sections: Vec<Section> = Vec::new();
    // The section, the key and its indentation, while its value may go on.
    let mut open: Option<(usize, String, usize)> = None;
    let mut current = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let content = without_comment(line).trim();
        if content.is_empty() {
            continue;
        }
        if let Some((section, key, of_key)) = &open
            && indent > *of_key
        {
            let section = &mut sections[*section];
            let value = format!("{}\n{content}", section.get(key).unwrap_or_default());
            section.set(key.clone(), value.trim_start().to_owned());
            continue;
        }
        open = None;
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let name = name.0.trim().to_owned();
            let known = sections.iter().position(|section| section.name == name);
            current = Some(known.unwrap_or_else(|| {
                sections.push(Section { name, entries: Vec::new() });
                sections.len() - 1
            }));
            continue;
        }
        let Some(section) = current else {
            return Err(format!("line {} stands before the first section", number + 1));
        };
        let Some(at) = content.find(['=', ':']) else {
            return Err(format!("line {} is neither a section nor key = value", number + 1));
        };
        let key = content[..at].trim().to_lowercase();
        sections[section].set(key.clone(), content[at + 1..].trim().to_owned());
        open = Some((section, key, indent));
    }
    Ok(sections)
}

/// A line without its comment: at its start, or behind a space.
fn without_comment(line: &str) -> &str {
    let mut after_space = true;
    for (at, letter) in line.char_indices() {
        if after_space && [';', '#'].contains(&letter) {
            return &line[..at];
        }
        after_space = letter.is_whitespace();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_values_over_lines_and_repeated_sections() {
        let text = "\u{feff}; first\n[program:web]\nCommand = run --a=1;2 ; a comment\n\
                    environment = A=\"1\",\n    B=\"2\"  ; more\n\n    ,C=3\n# whole line\n\
                    user: www\nempty =\n[Other]\nx=1\n[program:web]\nuser=root # late\n";
        let sections = parse(text).unwrap();
        assert_eq!(sections.len(), 2);
        let web = &sections[0];
        assert_eq!(web.name, "program:web");
        assert_eq!(web.get("command"), Some("run --a=1;2"));
        assert_eq!(web.get("environment"), Some("A=\"1\",\nB=\"2\"\n,C=3"));
        assert_eq!(web.get("user"), Some("root"));
        assert_eq!(web.get("empty"), Some(""));
        assert_eq!(sections[1].get("x"), Some("1"));
    }

    #[test]
    fn what_has_no_form_is_named_by_its_line() {
        assert_eq!(parse("a=1\n").unwrap_err(), "line 1 stands before the first section");
        let told = parse("[a]\n\nnonsense\n").unwrap_err();
        assert_eq!(told, "line 3 is neither a section nor key = value");
    }
}
