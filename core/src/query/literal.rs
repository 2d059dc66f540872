//! Strings, bytes and times of a filter: text in, tokens out.
//!
//! Knows no fields. Invariant: what begins and does not end is an error where it begins.

use super::error::QueryError;
use super::lex::Token;

/// A string at the beginning of `rest`, which lies at `at`, and its length. A pattern is taken as it stands.
pub(super) fn string(
    rest: &str,
    at: usize,
    is_pattern: bool,
) -> Result<(Token, usize), QueryError> {
    let mut bytes = Vec::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => {
                let token = if is_pattern {
                    Token::Pattern(rest[1..place].to_owned())
                } else {
                    Token::Text(bytes)
                };
                return Ok((token, place + 1));
            }
            '\\' => {
                let escaped = chars.next().map(|(_, c)| c);
                if is_pattern {
                    continue;
                }
                match escaped {
                    Some(c @ ('"' | '\\')) => bytes.push(c as u8),
                    Some('n') => bytes.push(b'\n'),
                    Some('r') => bytes.push(b'\r'),
                    Some('t') => bytes.push(b'\t'),
                    Some('0') => bytes.push(0),
                    Some('x') => {
                        let digits = rest.get(place + 2..place + 4).and_then(pair);
                        let Some(byte) = digits else {
                            return Err(wrong_escape(rest, at, place));
                        };
                        bytes.push(byte);
                        chars.nth(1);
                    }
                    // A string that ends behind a backslash is not closed.
                    None => break,
                    Some(_) => return Err(wrong_escape(rest, at, place)),
                }
            }
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(QueryError::new("the string is not closed", at..at + 1, "it begins here")
        .help("a \" ends it; inside of it one is written \\\""))
}

/// What stands behind the backslash at `place` of `rest` is no escape.
fn wrong_escape(rest: &str, at: usize, place: usize) -> QueryError {
    let length: usize = rest[place..].chars().take(2).map(char::len_utf8).sum();
    let written = &rest[place..place + length];
    let shown: String = written.chars().filter(|c| !c.is_control()).collect();
    let place = at + place..at + place + length;
    QueryError::new(format!("`{shown}` is no escape"), place, "not known")
        .help("known are \\\" \\\\ \\n \\r \\t \\0 and \\x with two hexadecimal digits")
}

/// The byte that two hexadecimal digits mean.
fn pair(digits: &str) -> Option<u8> {
    let digits_only = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits_only.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Bytes at the beginning of `rest`: pairs of hexadecimal digits with `:` between them, at least two, and how long
/// they are; `None` if something else stands there.
pub(super) fn bytes(rest: &str, at: usize) -> Result<Option<(Vec<u8>, usize)>, QueryError> {
    let mut bytes = Vec::new();
    let mut length = 0;
    loop {
        let from = length + usize::from(length > 0);
        let Some(byte) = rest.get(from..from + 2).and_then(pair) else { break };
        bytes.push(byte);
        length = from + 2;
        if !rest[length..].starts_with(':') {
            break;
        }
    }
    let more = rest[length..].chars().next().filter(|c| c.is_alphanumeric() || ":_".contains(*c));
    match (bytes.len(), more) {
        (1, Some(':')) | (2.., Some(_)) => {
            let end = rest[length..].find(|c: char| !(c.is_alphanumeric() || ":_".contains(c)));
            let end = end.map_or(rest.len(), |end| length + end);
            let what = format!("`{}` is no sequence of bytes", &rest[..end]);
            Err(QueryError::new(what, at..at + end, "two hexadecimal digits each, as 53:ef"))
        }
        (0 | 1, _) => Ok(None),
        (_, None) => Ok(Some((bytes, length))),
    }
}

/// `@'mark`, `@"any mark"` or `@08:32:53.001` at the beginning of `rest`, and its length.
pub(super) fn time(rest: &str, at: usize) -> Result<(Token, usize), QueryError> {
    let wrong = |length: usize| {
        QueryError::new("`@` is no time", at..at + length, "a mark or a time of day is expected")
            .help("@'name is where a mark is, @\"any name\" too; @08:32:53.5 is a time of the day in UTC")
    };
    let behind = &rest[1..];
    if behind.starts_with('"') {
        let (token, length) = string(behind, at + 1, false)?;
        let Token::Text(name) = token else { return Err(wrong(1)) };
        let name = String::from_utf8(name).map_err(|_| wrong(1 + length))?;
        return Ok((Token::Mark(name), 1 + length));
    }
    if let Some(name) = behind.strip_prefix('\'') {
        let length = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
        if length == 0 {
            return Err(wrong(2));
        }
        return Ok((Token::Mark(name[..length].to_owned()), 2 + length));
    }
    let length = behind.find(|c: char| !(c.is_ascii_digit() || ":.".contains(c)));
    let text = &behind[..length.unwrap_or(behind.len())];
    // A range may follow it.
    let text = text.split("..").next().unwrap_or(text);
    if text.is_empty() {
        return Err(wrong(1));
    }
    let nanos = clock(text).ok_or_else(|| {
        let what = format!("`@{text}` is no time of the day");
        QueryError::new(
            what,
            at..at + 1 + text.len(),
            "@HH:MM:SS is expected, and .fraction may follow",
        )
    })?;
    Ok((Token::Clock(nanos), 1 + text.len()))
}

/// Nanoseconds since midnight. Hours may be of the next days.
fn clock(text: &str) -> Option<i128> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<&str> = text.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return None };
    let number = |digits: &str, below: i128| {
        let two = digits.len() == 2;
        two.then(|| digits.parse().ok()).flatten().filter(|value: &i128| *value < below)
    };
    if fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let scale = 10_i128.pow(9 - u32::try_from(fraction.len()).ok()?);
    let seconds = number(hours, 100)? * 3600 + number(minutes, 60)? * 60 + number(seconds, 60)?;
    Some(seconds * 1_000_000_000 + fraction.parse::<i128>().ok()? * scale)
}
