//! Text to tokens, each with its place.
//!
//! Knows no fields. Invariant: tokens cover all of the text but for space between them.

use std::ops::Range;

use super::error::QueryError;

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name: of a field, an operation, an errno, a function, or a word such as `and`.
    Word(String),
    /// A number without a unit, or with one of sizes.
    Number(i128),
    /// A span, in nanoseconds.
    Span(i128),
    /// A sign, as it is written.
    Sign(&'static str),
}

/// Words, numbers and signs that a filter has at most.
const TOKENS_MAX: usize = 2000;

/// The signs; those that begin with another come first.
const SIGNS: [&str; 26] = [
    "..=", "..", "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "=", "(", ")", "{", "}", ",",
    "+", "-", "*", "/", "%", "&", "|", "^", "~",
];

/// Units of sizes, and how many bytes each has: without `B` and with `iB` they are powers of 1024, as qemu-img and fio have
/// them.
const SIZES: [(&str, i128); 16] = [
    ("B", 1),
    ("k", 1 << 10),
    ("kiB", 1 << 10),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("T", 1 << 40),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("PiB", 1 << 50),
];

/// Units of spans, and how many nanoseconds each has.
const SPANS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The tokens of a text, with their places.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Range<usize>)>, QueryError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    // What is built of tokens is as deep as there are tokens, at most.
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if tokens.len() == TOKENS_MAX {
            let what = format!("more than {TOKENS_MAX} words and signs");
            return Err(QueryError::new(what, at..at + first.len_utf8(), "too long"));
        }
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if first.is_ascii_digit() {
            let length = number_length(rest);
            let place = at..at + length;
            tokens.push((number(&rest[..length], place.clone())?, place));
            at += length;
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || "_.".contains(c)));
            // A name has dots inside, and a range may follow it.
            let word = &rest[..length.unwrap_or(rest.len())];
            let word = word.split("..").next().unwrap_or(word).trim_end_matches('.');
            tokens.push((Token::Word(word.to_owned()), at..at + word.len()));
            at += word.len();
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push((Token::Sign(sign), at..at + sign.len()));
            at += sign.len();
        } else {
            let place = at..at + first.len_utf8();
            let shown = match first {
                first if first.is_control() => first.escape_debug().to_string(),
                first => first.to_string(),
            };
            let what = format!("`{shown}` means nothing here");
            return Err(QueryError::new(what, place, "not part of the language"));
        }
    }
    Ok(tokens)
}

/// How many bytes of `rest` belong to the number at its beginning, with its unit.
fn number_length(rest: &str) -> usize {
    let mut length = 0;
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let point = c == '.' && next.is_some_and(|next| next.is_ascii_digit());
        if !(c.is_alphanumeric() || c == '_' || point) {
            break;
        }
        length = at + c.len_utf8();
    }
    length
}

/// What a number with its unit means.
fn number(text: &str, place: Range<usize>) -> Result<Token, QueryError> {
    let wrong =
        |label: &str| QueryError::new(format!("`{text}` is no number"), place.clone(), label);
    if let Some(digits) = text.strip_prefix("0x") {
        let digits = digits.replace('_', "");
        let value = u64::from_str_radix(&digits, 16);
        return value
            .map(|value| Token::Number(value.into()))
            .map_err(|_| wrong("1 to 16 hexadecimal digits follow 0x"));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || "_.".contains(c))).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let digits = digits.replace('_', "");
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let too_long = || wrong("too many digits");
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    if part.len() > 9 || part.contains('.') {
        return Err(wrong("at most one point and 9 digits behind it"));
    }
    let scale = |factor: i128| -> Option<i128> {
        let tenths = 10_i128.pow(u32::try_from(part.len()).ok()?);
        let part: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
        Some(i128::from(whole) * factor + part * factor / tenths)
    };
    let named = |units: &[(&str, i128)]| {
        units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
    };
    if let Some(factor) = named(&SPANS) {
        return scale(factor).map(Token::Span).ok_or_else(too_long);
    }
    match if unit.is_empty() { Some(1) } else { named(&SIZES) } {
        Some(1) if !part.is_empty() => Err(wrong("a part needs a unit, as in 1.5s or 1.5M")),
        Some(factor) => scale(factor).map(Token::Number).ok_or_else(too_long),
        None => {
            let what = format!("`{unit}` is no unit");
            let from = place.end - unit.len();
            Err(QueryError::new(what, from..place.end, "not known")
                .help("sizes: k M G T (1024), kB MB GB TB (1000); spans: ns us ms s min h"))
        }
    }
}
