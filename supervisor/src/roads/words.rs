//! One text that holds several words: a command line as a shell, or as PM2, takes it apart.

/// Takes a command apart as a POSIX shell does, without carrying anything out: quotes and
/// backslashes, no variables and no patterns.
pub(super) fn shell_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('\'') => break,
                        Some(letter) => word.push(letter),
                        None => return Err("a ' is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => match letters.next() {
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("a \" is not closed".to_owned()),
                        },
                        Some(letter) => word.push(letter),
                        None => return Err("a \" is not closed".to_owned()),
                    }
                }
            }
            '\\' => match letters.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err("it ends with a \\".to_owned()),
            },
            space if space.is_whitespace() => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Takes arguments apart as PM2 does: a quoted word loses its quotes, `name="a b"` keeps them.
pub(super) fn pm2_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some((word, after)) = quoted_value(rest) {
            words.extend([std::mem::take(&mut plain), word.to_owned()]);
            rest = after;
        } else if let Some((word, after)) = quoted(rest) {
            words.extend([std::mem::take(&mut plain), word.to_owned()]);
            rest = after;
        } else {
            match letter.is_whitespace() {
                true => words.push(std::mem::take(&mut plain)),
                false => plain.push(letter),
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    words.push(plain);
    words.retain(|word| !word.trim().is_empty());
    words
}

/// `"…"` or `'…'` at the start: what is between the quotes, and what comes after them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|letter| ['"', '\''].contains(letter))?;
    text[1..].split_once(quote)
}

/// `name="…"` at the start, with its quotes, and what comes after it.
fn quoted_value(text: &str) -> Option<(&str, &str)> {
    let name = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .filter(|length| *length > 0)?;
    let (_, after) = quoted(text[name..].strip_prefix('=')?)?;
    Some(text.split_at(text.len() - after.len()))
}

/// Whether a text means more to a shell than the words in it.
pub(super) fn needs_a_shell(text: &str) -> bool {
    text.contains(['|', '&', ';', '<', '>', '$', '`', '*', '?', '(', ')', '\n', '~', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_command_apart() {
        for (text, words) in [
            ("a b  c", vec!["a", "b", "c"]),
            ("a 'b c' \"d e\"", vec!["a", "b c", "d e"]),
            (r#"a"b"'c'd"#, vec!["abcd"]),
            (r#"sh -c "echo \"hi\" \n""#, vec!["sh", "-c", r#"echo "hi" \n"#]),
            (r"a\ b '' c", vec!["a b", "", "c"]),
            ("  ", vec![]),
        ] {
            assert_eq!(shell_words(text).unwrap(), words, "{text}");
        }
        for text in ["a 'b", "a \"b", "a \\"] {
            assert!(shell_words(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pm2_takes_arguments_apart_in_its_own_way() {
        for (text, words) in [
            ("--port 80 -v", vec!["--port", "80", "-v"]),
            ("'a b' \"c d\"", vec!["a b", "c d"]),
            ("--name=\"a b\" x", vec!["--name=\"a b\"", "x"]),
            ("--name='a b'", vec!["--name='a b'"]),
            ("it's", vec!["it's"]),
            ("", vec![]),
        ] {
            assert_eq!(pm2_words(text), words, "{text}");
        }
    }
}
