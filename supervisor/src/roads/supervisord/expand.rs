//! `%(name)s` in supervisord's values, and its list of variables.

/// Replaces each `%(name)s` by its value; numbers may have a width, as in `%(process_num)02d`.
pub(super) fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            expanded.push('%');
            rest = after;
            continue;
        }
        let named = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let Some((name, form)) = named else {
            return Err("a % stands alone; supervisord writes %% for one".to_owned());
        };
        let Some(end) = form.find(['s', 'd']) else {
            return Err(format!("`%({name})` has no s or d behind it"));
        };
        let value =
            lookup(name).ok_or_else(|| format!("`%({name})s` is not known to supervisord"))?;
        expanded.push_str(&padded(&value, &form[..end]));
        rest = &form[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// A value at least so wide: `02` fills with zeros, `2` with spaces.
fn padded(value: &str, form: &str) -> String {
    let width = form.parse().unwrap_or(0);
    match form.starts_with('0') {
        true => format!("{value:0>width$}"),
        false => format!("{value:>width$}"),
    }
}

/// `A="1",B=two` as names and values.
pub(super) fn variables(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else {
            return Err(format!("`{rest}` has no value; supervisord writes KEY=\"value\""));
        };
        let (value, after) = value(after.trim_start())?;
        variables.push((name.trim().to_owned(), value));
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Ok(variables)
}

/// The value at the start, its quotes taken away, and what comes after it.
fn value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let closed = rest[1..].split_once(quote);
                let (inner, after) = closed.ok_or_else(|| format!("a {quote} is not closed"))?;
                value.push_str(inner);
                rest = after;
            }
            None | Some(',') => return Ok((value, rest)),
            Some(space) if space.is_whitespace() => return Ok((value, rest)),
            Some(letter) => {
                value.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_numbers_are_padded() {
        let lookup = |name: &str| match name {
            "process_num" => Some("7".to_owned()),
            "ENV_HOME" => Some("${HOME}".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("port 80%(process_num)02d", "port 8007"),
            ("%(process_num)d%% of %(ENV_HOME)s", "7% of ${HOME}"),
            ("%(process_num)3d", "  7"),
            ("plain", "plain"),
        ] {
            assert_eq!(expand(text, &lookup).unwrap(), expected, "{text}");
        }
        for text in ["50%", "%(other)s", "%(process_num)"] {
            assert!(expand(text, &lookup).is_err(), "{text}");
        }
    }

    #[test]
    fn variables_may_be_quoted_and_stand_on_several_lines() {
        let text = "A=\"1,2\",B='x y',\nC=plain , D=\"a\"b,E=";
        let pairs = [("A", "1,2"), ("B", "x y"), ("C", "plain"), ("D", "ab"), ("E", "")];
        let expected: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(variables(text).unwrap(), expected);
        assert!(variables("A").is_err() && variables("A=\"x").is_err());
    }
}
