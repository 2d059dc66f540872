//! Numbers as bars and sparklines. Counts come in, a few characters go out.
//!
//! Invariant: what is not nothing is seen, and the largest fills its place.

/// From least to most.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A character a count; a space for 0.
pub(super) fn sparkline(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().map(|count| step(*count, most)).collect()
}

fn step(count: u64, most: u64) -> char {
    if count == 0 || most == 0 {
        return ' ';
    }
    let step = (u128::from(count) * STEPS.len() as u128).div_ceil(u128::from(most));
    STEPS[usize::try_from(step).unwrap_or(STEPS.len()).clamp(1, STEPS.len()) - 1]
}

/// A bar of at most `width` characters.
pub(super) fn bar(count: u64, most: u64, width: usize) -> String {
    if most == 0 {
        return String::new();
    }
    let length = (u128::from(count) * width as u128).div_ceil(u128::from(most));
    "█".repeat(usize::try_from(length).unwrap_or(width).min(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_nothing_is_seen_and_the_most_fills_its_place() {
        assert_eq!(sparkline(&[0, 1, 50, 100]), " ▁▄█");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[0, 0]), "  ");
        assert_eq!(sparkline(&[u64::MAX, 1]), "█▁");
        assert_eq!(bar(1, 100, 10), "█");
        assert_eq!(bar(100, 100, 10), "██████████");
        assert_eq!((bar(0, 100, 10), bar(0, 0, 10)), (String::new(), String::new()));
    }
}
