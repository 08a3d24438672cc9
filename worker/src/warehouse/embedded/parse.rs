//! From text to tokens: unquoted names folded to upper case, and the headings that Snowflake
//! gives to columns without a name, which are the text of the statement itself.

use sqlparser::ast::Statement;
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::failure::compilation;
use crate::warehouse::{Binding, WarehouseError};

/// How deep a statement may be nested.
const DEPTH_MAX: usize = 60;

/// How many tokens a statement may have: what is longer could only be planned by recursion
/// deeper than a thread's stack.
const TOKENS_MAX: usize = 20_000;

/// The words behind which a list of columns is over.
const LIST_ENDS: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "WINDOW",
    "INTO",
];

/// The tokens of one statement, without its semicolon.
///
/// # Errors
/// When the text cannot be cut into tokens, or holds no or more than one statement.
pub(crate) fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, WarehouseError> {
    let mut tokens = Tokenizer::new(&SnowflakeDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| compilation(format!("syntax error: {error}")))?;
    let empty =
        |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_) | Token::SemiColon);
    while tokens.last().is_some_and(empty) {
        tokens.pop();
    }
    if tokens.is_empty() {
        return Err(WarehouseError::Statement {
            message: "000900 (42601): SQL compilation error: Empty SQL statement.".to_owned(),
        });
    }
    let words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count();
    if words > TOKENS_MAX {
        return Err(compilation(format!("the statement has more than {TOKENS_MAX} words")));
    }
    let inside = tokens.iter().filter(|token| token.token == Token::SemiColon).count();
    if inside > 0 {
        return Err(WarehouseError::Statement {
            message: format!(
                "000008 (0A000): Actual statement count {} did not match the desired statement \
                 count 1.",
                inside + 1
            ),
        });
    }
    Ok(tokens)
}

/// The tokens with a value in place of each `?`: a token, or a few, that no text can get out of.
///
/// # Errors
/// When there are more places than values, or fewer.
pub(crate) fn with_values(
    tokens: Vec<TokenWithSpan>,
    values: &[Binding],
) -> Result<Vec<TokenWithSpan>, WarehouseError> {
    let places = tokens.iter().filter(|token| is_place(token)).count();
    if places != values.len() {
        let given = values.len();
        let message = format!(
            "002049 (42601): SQL compilation error: bind variables: {places} in the statement, \
             {given} given."
        );
        return Err(WarehouseError::Statement { message });
    }
    let mut values = values.iter();
    let mut filled = Vec::with_capacity(tokens.len());
    for token in tokens {
        match values.as_slice().first().filter(|_| is_place(&token)) {
            Some(value) => {
                values.next();
                let span = token.span;
                filled
                    .extend(literal(value).into_iter().map(|token| TokenWithSpan { token, span }));
            }
            None => filled.push(token),
        }
    }
    Ok(filled)
}

fn is_place(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Token::Placeholder(text) if text == "?")
}

/// A value as it would be written. A sign is an operator, so such a number stands in brackets.
fn literal(value: &Binding) -> Vec<Token> {
    let number = |digits: &str| Token::Number(digits.to_owned(), false);
    match value {
        Binding::Null => vec![Token::make_keyword("NULL")],
        Binding::Boolean(true) => vec![Token::make_keyword("TRUE")],
        Binding::Boolean(false) => vec![Token::make_keyword("FALSE")],
        Binding::Text(text) => vec![Token::SingleQuotedString(text.clone())],
        Binding::Fixed(digits) | Binding::Real(digits) => match digits.strip_prefix('-') {
            Some(digits) => vec![Token::LParen, Token::Minus, number(digits), Token::RParen],
            None => vec![number(digits)],
        },
    }
}

/// The tokens with unquoted names in upper case.
pub(crate) fn folded(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut folded = tokens.to_vec();
    for token in &mut folded {
        if let Token::Word(word) = &mut token.token
            && word.quote_style.is_none()
        {
            word.value = word.value.to_uppercase();
        }
    }
    folded
}

/// The statement that the tokens spell.
///
/// # Errors
/// When they spell none.
pub(crate) fn statement(tokens: &[TokenWithSpan]) -> Result<Statement, WarehouseError> {
    let dialect = SnowflakeDialect {};
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(folded(tokens));
    let statement = parser.parse_statement().map_err(|error| syntax(&error))?;
    match parser.peek_token().token {
        Token::EOF => Ok(statement),
        other => {
            let at = parser.peek_token().span.start;
            Err(compilation(format!(
                "syntax error line {} at position {} unexpected '{other}'",
                at.line,
                at.column.saturating_sub(1)
            )))
        }
    }
}

fn syntax(error: &ParserError) -> WarehouseError {
    match error {
        ParserError::TokenizerError(reason) | ParserError::ParserError(reason) => {
            compilation(format!("syntax error: {reason}"))
        }
        ParserError::RecursionLimitExceeded => {
            compilation(format!("the statement is nested deeper than {DEPTH_MAX} levels"))
        }
    }
}

/// The text of each item of the outermost list of columns, in upper case.
pub(crate) fn headings(tokens: &[TokenWithSpan]) -> Vec<String> {
    let mut rest = tokens.iter().map(|token| &token.token).peekable();
    let mut base = 0;
    let mut depth = 0;
    let mut opening = true;
    for token in rest.by_ref() {
        match token {
            Token::Whitespace(_) => {}
            Token::LParen => {
                depth += 1;
                base += i32::from(opening);
            }
            Token::RParen => depth -= 1,
            Token::Word(word) if depth == base && word.value.eq_ignore_ascii_case("select") => {
                break;
            }
            _ => opening = false,
        }
    }
    let mut items = vec![String::new()];
    let mut depth = 0;
    let mut before = String::new();
    for token in rest {
        let word = match token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            _ => String::new(),
        };
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
            _ => {}
        }
        let over = LIST_ENDS.contains(&word.as_str()) && before != "DISTINCT";
        if depth < 0 || (depth == 0 && over) {
            break;
        }
        if depth == 0 && *token == Token::Comma {
            items.push(String::new());
        } else if let Token::Whitespace(space) = token {
            let text = space.to_string();
            if text.trim().is_empty()
                && let Some(item) = items.last_mut()
            {
                item.push_str(&text);
            }
        } else if let Some(item) = items.last_mut() {
            item.push_str(&token.to_string());
        }
        if !matches!(token, Token::Whitespace(_)) {
            before = word;
        }
    }
    items.into_iter().map(|item| heading(&item)).collect()
}

/// An item without the words that may stand before the first.
fn heading(item: &str) -> String {
    let mut text = item.trim().to_uppercase();
    for word in ["DISTINCT", "ALL"] {
        if let Some(rest) = text.strip_prefix(word)
            && rest.starts_with(char::is_whitespace)
        {
            text = rest.trim_start().to_owned();
        }
    }
    let mut words = text.splitn(3, char::is_whitespace);
    if let (Some("TOP"), Some(count), Some(rest)) = (words.next(), words.next(), words.next())
        && count.bytes().all(|byte| byte.is_ascii_digit())
    {
        return rest.trim_start().to_owned();
    }
    text
}
