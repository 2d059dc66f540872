//! How long requests are, in words. The tally of an operation comes in, text goes out.
//!
//! Invariant: a size is rounded to no unit of which it is no multiple.

use crate::view::stats::Tally;

/// Lengths that are told apart.
const TOLD: usize = 4;

/// A size without loss.
pub fn exact_size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    match unit {
        Some((shift, name)) => format!("{} {name}", bytes >> shift),
        None => format!("{bytes} B"),
    }
}

/// The most common lengths of requests that have one, each with how many of them have it in percent; `None` if none has.
#[expect(clippy::cast_precision_loss, reason = "whole percent are told")]
pub fn sizes(tally: &Tally) -> Option<String> {
    let percent = |count: u64| count as f64 / tally.places.ranged as f64 * 100.0;
    let common = tally.sizes.common();
    let told = common.iter().take(TOLD);
    let mut parts: Vec<_> = told
        .map(|(length, count)| format!("{} {:.0}%", exact_size(*length), percent(*count)))
        .collect();
    if parts.is_empty() {
        return None;
    }
    let left: u64 = common.iter().skip(TOLD).map(|(_, count)| count).sum();
    let left = left + tally.sizes.others();
    if left > 0 {
        parts.push(format!("other {:.0}%", percent(left)));
    }
    Some(parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_without_rounding() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (4096, "4 KiB"),
            (4097, "4097 B"),
            (3 << 20, "3 MiB"),
            (1025 << 10, "1025 KiB"),
        ] {
            assert_eq!(exact_size(bytes), text);
        }
    }
}
