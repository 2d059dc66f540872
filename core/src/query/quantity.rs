//! Numbers with their units: text in, a number, a span of time or a part of a hundred out.
//!
//! Knows no fields. Invariant: what cannot be told exactly is refused, never rounded, but for what is less than a byte or a
//! nanosecond.

use super::error::QueryError;
use super::lex::Token;
use super::names::nearest;
use super::parse::RESERVED;

/// Units of sizes, and how many bytes each has: without `B` and with `iB` they are powers of 1024, as qemu-img and fio have
/// them.
const SIZES: [(&str, i128); 18] = [
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
    ("P", 1 << 50),
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
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

/// Billionths of a percent in one.
pub(super) const PERCENT: i128 = 1_000_000_000;

/// How many bytes of `rest` belong to the number at its beginning, with its unit.
pub(super) fn number_length(rest: &str) -> usize {
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

/// What the first `length` bytes of `rest`, a number with its unit, mean, and how many bytes that took.
pub(super) fn quantity(rest: &str, length: usize, at: usize) -> Result<(Token, usize), QueryError> {
    let text = &rest[..length];
    let wrong =
        |label: &str| QueryError::new(format!("`{text}` is no number"), at..at + length, label);
    if let Some(digits) = text.strip_prefix("0x") {
        let digits = digits.replace('_', "");
        let value = u64::from_str_radix(&digits, 16);
        return value
            .map(|value| (Token::Number(value.into()), length))
            .map_err(|_| wrong("1 to 16 hexadecimal digits follow 0x"));
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || "_.".contains(c))).unwrap_or(length);
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
        return scale(factor).map(|nanos| (Token::Span(nanos), length)).ok_or_else(too_long);
    }
    if unit.is_empty() && is_percent(&rest[length..]) {
        let parts = scale(PERCENT).ok_or_else(too_long)?;
        return Ok((Token::Percent(parts), length + 1));
    }
    match if unit.is_empty() { Some(1) } else { named(&SIZES) } {
        Some(1) if !part.is_empty() => Err(wrong("a part needs a unit, as in 1.5s or 1.5M")),
        Some(factor) => {
            scale(factor).map(|size| (Token::Number(size), length)).ok_or_else(too_long)
        }
        None => Err(unknown_unit(unit, at + length - unit.len())),
    }
}

/// Whether a `%` follows that is a unit: there is nothing behind it to divide by.
fn is_percent(rest: &str) -> bool {
    let Some(behind) = rest.strip_prefix('%') else { return false };
    let behind = behind.trim_start();
    let end = behind.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(behind.len());
    RESERVED.contains(&&behind[..end])
        || !behind.starts_with(|c: char| c.is_alphanumeric() || "_(\"@".contains(c))
}

fn unknown_unit(unit: &str, at: usize) -> QueryError {
    let units = SIZES.iter().chain(&SPANS).map(|(name, _)| *name);
    let label = match nearest(unit, units) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "not known".to_owned(),
    };
    QueryError::new(format!("`{unit}` is no unit"), at..at + unit.len(), label).help(
        "sizes: k M G T P (1024), kB MB GB TB PB (1000); spans: ns us ms s min h; a part of a hundred: %",
    )
}
