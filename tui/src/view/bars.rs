//! Numbers as bars that grow in eighths of a cell. Numbers in, characters out.
//!
//! Invariant: only nothing is blank.

/// From nothing to a full cell.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One cell for a number of which the most is `most`: each eighth is so many times the one before.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is one of eight heights"
)]
pub(super) fn logarithmic(number: u64, most: u64) -> char {
    if number == 0 {
        return EIGHTHS[0];
    }
    let logarithm = |number: u64| (number as f64).ln_1p();
    let height = logarithm(number) / logarithm(most.max(number)) * 8.0;
    EIGHTHS[(height.round() as usize).clamp(1, 8)]
}

/// A column of cells, the lowest first: full up to `mean`, and shaded up to `max`, of which the most is `most`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a height on a screen, kept within it"
)]
pub(super) fn column(mean: f64, max: u64, most: u64, height: usize) -> Vec<char> {
    let all = height * 8;
    let high = |part: f64| {
        let eighths = (part / most.max(1) as f64 * all as f64).round() as usize;
        if part > 0.0 { eighths.clamp(1, all.max(1)) } else { 0 }
    };
    let (mean, max) = (high(mean), high(max as f64));
    let cell = |line: usize| match (mean.saturating_sub(line * 8), max.saturating_sub(line * 8)) {
        (0, 0) => ' ',
        (0, _) => '░',
        (eighths, _) => EIGHTHS[eighths.min(8)],
    };
    (0..height).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_numbers_and_only_nothing_is_blank() {
        let bars: String =
            [0, 1, 2, 10, 100, 500, 1000].map(|number| logarithmic(number, 1000)).iter().collect();
        assert_eq!(bars, " ▁▁▃▅▇█");
        assert_eq!((logarithmic(0, 0), logarithmic(7, 7)), (' ', '█'));
        let drawn = |mean, max| column(mean, max, 32, 4).iter().collect::<String>();
        assert_eq!(drawn(0.0, 0), "    ");
        assert_eq!(drawn(0.001, 1), "▁   ");
        assert_eq!(drawn(12.0, 32), "█▄░░");
        assert_eq!(drawn(32.0, 32), "████");
        assert_eq!(column(1.0, 1, 0, 0), Vec::<char>::new());
    }
}
