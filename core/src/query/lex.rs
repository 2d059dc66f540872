//! Text to tokens, each with its place.
//!
//! Knows no fields. Invariant: tokens cover all of the text but for space between them.

use std::ops::Range;

use super::error::QueryError;
use super::literal;
use super::quantity::{number_length, quantity};

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name: of a field, an operation, an errno, a function, or a word such as `and`.
    Word(String),
    /// A number without a unit, or with one of sizes.
    Number(i128),
    /// A span, in nanoseconds.
    Span(i128),
    /// A part of a hundred, in billionths of a percent.
    Percent(i128),
    /// A string, and what bytes it is.
    Text(Vec<u8>),
    /// A string behind `matches`, as it was written.
    Pattern(String),
    Bytes(Vec<u8>),
    /// The name of a mark.
    Mark(String),
    /// A time of the day, in nanoseconds since midnight.
    Clock(i128),
    /// A sign, as it is written.
    Sign(&'static str),
}

/// Words, numbers and signs that a filter has at most.
const TOKENS_MAX: usize = 2000;

/// The signs; those that begin with another come first.
const SIGNS: [&str; 29] = [
    "..=", "..", "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "=", "(", ")", "{", "}", "[",
    "]", ":", ",", "+", "-", "*", "/", "%", "&", "|", "^", "~",
];

/// What `..` and `..=` mean, for those who wrote neither.
pub(super) const RANGES: &str =
    "`..` leaves its end out, `..=` keeps it (Wireshark's `..` keeps it)";

/// The tokens of a text, with their places.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Range<usize>)>, QueryError> {
    let mut tokens: Vec<(Token, Range<usize>)> = Vec::new();
    let mut at = 0;
    // What is built of tokens is as deep as there are tokens, at most.
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if tokens.len() == TOKENS_MAX {
            let what = format!("more than {TOKENS_MAX} words and signs");
            return Err(QueryError::new(what, at..at + first.len_utf8(), "too long"));
        }
        let (token, length) = next(text, at, first, &tokens)?;
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

/// All words and strings of a text: the names that devices can have in it.
pub(super) fn words(text: &str) -> Result<Vec<String>, QueryError> {
    let word = |(token, _)| match token {
        Token::Word(word) => Some(word),
        Token::Text(text) => String::from_utf8(text).ok(),
        _ => None,
    };
    Ok(lex(text)?.into_iter().filter_map(word).collect())
}

/// The token that begins at `at` with the letter `first`, and its length. `before` are those before it.
fn next(
    text: &str,
    at: usize,
    first: char,
    before: &[(Token, Range<usize>)],
) -> Result<(Token, usize), QueryError> {
    let rest = &text[at..];
    // Between brackets stand places, and `:` between them.
    let bracket = before.iter().rev().find_map(|(token, _)| match token {
        Token::Sign(sign @ ("[" | "]")) => Some(*sign),
        _ => None,
    });
    if first == '"' {
        let is_pattern = match before.last() {
            Some((Token::Word(word), _)) => word == "matches",
            Some((token, _)) => *token == Token::Sign("~"),
            None => false,
        };
        return literal::string(rest, at, is_pattern);
    }
    if first == '@' {
        return literal::time(rest, at);
    }
    if bracket != Some("[")
        && let Some((bytes, length)) = literal::bytes(rest, at)?
    {
        return Ok((Token::Bytes(bytes), length));
    }
    if first.is_ascii_digit() {
        let length = number_length(rest);
        return quantity(rest, length, at);
    }
    if first.is_alphabetic() || first == '_' {
        let length = rest.find(|c: char| !(c.is_alphanumeric() || "_.".contains(c)));
        // A name has dots inside, and a range may follow it.
        let word = &rest[..length.unwrap_or(rest.len())];
        let word = word.split("..").next().unwrap_or(word).trim_end_matches('.');
        return Ok((Token::Word(word.to_owned()), word.len()));
    }
    if rest.starts_with("...") {
        let place = at..at + 3;
        return Err(QueryError::new("`...` is no range", place, "one dot too many").help(RANGES));
    }
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((Token::Sign(sign), sign.len()));
    }
    let shown = match first {
        first if first.is_control() => first.escape_debug().to_string(),
        first => first.to_string(),
    };
    let error = QueryError::new(
        format!("`{shown}` means nothing here"),
        at..at + first.len_utf8(),
        "not part of the language",
    );
    Err(if first == '\'' { error.help("strings stand between \" and \"") } else { error })
}
