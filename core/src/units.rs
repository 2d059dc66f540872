//! Numbers with a meaning: times, byte ranges and sizes, and the clock that is passed in.
//!
//! Nothing here knows what a request is. Invariant: arithmetic saturates or is checked; no value that
//! came from a file or a peer can make it wrap.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A span of time, or a point on the recording's clock, in nanoseconds since the recording began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `span` after this one.
    pub fn after(self, span: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(span.0))
    }
}

impl From<Duration> for Nanos {
    fn from(span: Duration) -> Nanos {
        Nanos(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(span: Nanos) -> Duration {
        Duration::from_nanos(span.0)
    }
}

/// Three significant figures and a unit: `417ns`, `1.25ms`, `3.81s`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
        for (unit, name) in UNITS {
            if self.0 >= unit {
                let whole = self.0 / unit;
                let thousandths = self.0 % unit * 1000 / unit;
                return match whole {
                    0..10 => f.pad(&format!("{whole}.{:02}{name}", thousandths / 10)),
                    10..100 => f.pad(&format!("{whole}.{}{name}", thousandths / 100)),
                    _ => f.pad(&format!("{whole}{name}")),
                };
            }
        }
        f.pad(&format!("{}ns", self.0))
    }
}

/// Why a text is not a span of time.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum SpanError {
    /// Not a number followed by one known unit.
    #[error("`{0}` is not a time; write a number with ns, us, ms, s, m or h, such as 1.5s")]
    Malformed(String),
    /// More than 2^64 - 1 nanoseconds.
    #[error("`{0}` is longer than 584 years")]
    TooLong(String),
}

/// `250ms`, `1.5s`, `10m`; what is below a nanosecond is cut off.
impl std::str::FromStr for Nanos {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Nanos, SpanError> {
        const UNITS: [(&str, u64); 7] = [
            ("ns", 1),
            ("us", 1_000),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ];
        let malformed = || SpanError::Malformed(text.to_owned());
        let too_long = || SpanError::TooLong(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(malformed)?;
        let (number, unit) = text.split_at(split);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?.1;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || part.is_empty() || part.contains('.') {
            return Err(malformed());
        }
        let whole: u64 = whole.parse().map_err(|_| too_long())?;
        // Units have at most 13 digits, so what comes after 15 is below a nanosecond.
        let part = &part[..part.len().min(15)];
        let scale = 10_u128.pow(u32::try_from(part.len()).map_err(|_| too_long())?);
        let part: u64 = part.parse().map_err(|_| malformed())?;
        let nanos =
            u128::from(whole) * u128::from(unit) + u128::from(part) * u128::from(unit) / scale;
        u64::try_from(nanos).map(Nanos).map_err(|_| too_long())
    }
}

/// A monotonic clock. Core never reads one of its own, so that a test can say what time it is.
pub trait Clock: Send + Sync {
    /// Time since the recording (or replay) began. Never goes backwards.
    fn now(&self) -> Nanos;
}

/// A clock that stands at 0 until somebody moves it: time in a simulation.
#[derive(Debug, Default)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// Lets `span` pass.
    pub fn advance(&self, span: Nanos) {
        let passed = |now: u64| Some(now.saturating_add(span.0));
        // It never fails: `passed` always has an answer.
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, passed);
    }

    /// Lets time pass until `point`. A point that has passed changes nothing.
    pub fn advance_to(&self, point: Nanos) {
        self.0.fetch_max(point.0, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::SeqCst))
    }
}

/// A range of bytes on a device: `offset` up to, but not including, `offset + length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteRange {
    /// First byte, counted from the start of the device.
    pub offset: u64,
    /// How many bytes. May be zero: a flush has no range.
    pub length: u64,
}

impl ByteRange {
    /// The range of `length` bytes at `offset`.
    pub const fn new(offset: u64, length: u64) -> ByteRange {
        ByteRange { offset, length }
    }

    /// One past the last byte; `u64::MAX` if that does not fit.
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Whether the range lies within a device of `size` bytes.
    pub fn fits(self, size: u64) -> bool {
        self.offset.checked_add(self.length).is_some_and(|end| end <= size)
    }

    /// Whether the two share at least one byte. An empty range shares none.
    pub const fn overlaps(self, other: ByteRange) -> bool {
        self.length > 0
            && other.length > 0
            && self.offset < other.end()
            && other.offset < self.end()
    }

    /// The smallest range of whole blocks that contains this one. `block` must be a power of two.
    #[must_use]
    pub fn widened(self, block: u64) -> ByteRange {
        assert!(block.is_power_of_two(), "block sizes are powers of two");
        if self.length == 0 {
            return self;
        }
        let offset = self.offset & !(block - 1);
        // Without a division: this is asked of each pair of requests in flight.
        let end = self.end().checked_add(block - 1).map_or(u64::MAX, |end| end & !(block - 1));
        ByteRange { offset, length: end - offset }
    }
}

/// `4096+512`: offset, plus, length, both in bytes.
impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}+{}", self.offset, self.length))
    }
}

/// A number of bytes, printed for people: `512 B`, `4 KiB`, `9.2 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

/// The suffixes of [`Size`], smallest first: name as printed, letter as typed, power of two.
const SIZE_UNITS: [(&str, char, u32); 6] = [
    ("KiB", 'k', 10),
    ("MiB", 'm', 20),
    ("GiB", 'g', 30),
    ("TiB", 't', 40),
    ("PiB", 'p', 50),
    ("EiB", 'e', 60),
];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZE_UNITS.iter().rev().find(|(_, _, shift)| self.0 >> shift > 0);
        let Some((name, _, shift)) = unit else {
            return f.pad(&format!("{} B", self.0));
        };
        let whole = self.0 >> shift;
        let tenths = ((u128::from(self.0) * 10) >> shift) % 10;
        if whole < 10 && tenths > 0 {
            f.pad(&format!("{whole}.{tenths} {name}"))
        } else {
            f.pad(&format!("{whole} {name}"))
        }
    }
}

/// Why a text is not a size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SizeError {
    /// Not digits followed by one known suffix.
    #[error("`{0}` is not a size; write bytes or a number with k, M, G or T, such as 64M")]
    Malformed(String),
    /// More than 2^63 - 1 bytes, the largest offset a file can have.
    #[error("`{0}` is larger than any file can be (9223372036854775807 bytes)")]
    TooLarge(String),
}

/// `65536`, `64k`, `64K`, `64KiB`, `1G`: always powers of 1024.
impl std::str::FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let malformed = || SizeError::Malformed(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(split);
        let suffix = suffix.to_ascii_lowercase();
        let shift = match suffix.as_str() {
            "" | "b" => 0,
            _ => SIZE_UNITS
                .iter()
                .find(|(name, letter, _)| {
                    suffix == letter.to_string() || suffix == name.to_ascii_lowercase()
                })
                .map(|(_, _, shift)| *shift)
                .ok_or_else(malformed)?,
        };
        if digits.is_empty() {
            return Err(malformed());
        }
        let too_large = || SizeError::TooLarge(text.to_owned());
        let number: u64 = digits.parse().map_err(|_| too_large())?;
        let bytes = u128::from(number) << shift;
        match u64::try_from(bytes) {
            Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(Size(bytes)),
            _ => Err(too_large()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_three_significant_figures_and_a_unit() {
        for (nanos, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_250, "1.25µs"),
            (12_340, "12.3µs"),
            (7_120_000, "7.12ms"),
            (412_000_000, "412ms"),
            (3_812_000_000, "3.81s"),
            (61_000_000_000, "61.0s"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn times_are_read_with_a_unit_and_a_fraction() {
        for (text, nanos) in [
            ("0s", 0),
            ("1.5s", 1_500_000_000),
            ("250ms", 250_000_000),
            ("3us", 3_000),
            ("3µs", 3_000),
            ("0.1234567899999999999999s", 123_456_789),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("18446744073709551615ns", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Nanos(nanos)), "{text}");
        }
        for text in ["", "s", "1", "1.s", ".5s", "1.2.3s", "-1s", "1 s", "1d", "1S"] {
            assert_eq!(text.parse::<Nanos>(), Err(SpanError::Malformed(text.to_owned())));
        }
        for text in ["18446744073709551616ns", "99999999999999999999s", "5124096h"] {
            assert_eq!(text.parse::<Nanos>(), Err(SpanError::TooLong(text.to_owned())));
        }
    }

    #[test]
    fn a_virtual_clock_moves_when_it_is_told_to_and_never_back() {
        let clock = VirtualClock::default();
        assert_eq!(clock.now(), Nanos(0));
        clock.advance(Nanos(5));
        clock.advance_to(Nanos(3));
        assert_eq!(clock.now(), Nanos(5));
        clock.advance_to(Nanos(9));
        assert_eq!(clock.now(), Nanos(9));
        clock.advance(Nanos(u64::MAX));
        assert_eq!(clock.now(), Nanos(u64::MAX));
    }

    #[test]
    fn sizes_print_in_powers_of_1024() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (4096, "4 KiB"),
            (9_646_899, "9.1 MiB"),
            (64 << 20, "64 MiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn sizes_parse_with_and_without_a_suffix() {
        for (text, bytes) in
            [("512", 512), ("512b", 512), ("64k", 65536), ("64KiB", 65536), ("1G", 1 << 30)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn sizes_that_are_none_are_refused() {
        for text in ["", "k", "-1", "1.5M", "64 M", "64X", "0x10"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Malformed(text.to_owned())));
        }
        for text in ["9223372036854775808", "8E", "99999999999999999999"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::TooLarge(text.to_owned())));
        }
    }

    #[test]
    fn ranges_overlap_only_when_they_share_a_byte() {
        let a = ByteRange::new(10, 10);
        assert!(a.overlaps(ByteRange::new(19, 1)));
        assert!(a.overlaps(ByteRange::new(0, 11)));
        assert!(!a.overlaps(ByteRange::new(20, 5)));
        assert!(!a.overlaps(ByteRange::new(0, 10)));
        assert!(!a.overlaps(ByteRange::new(15, 0)));
        assert!(!ByteRange::new(0, 0).overlaps(a));
    }

    #[test]
    fn a_widened_range_covers_whole_blocks_and_never_wraps() {
        assert_eq!(ByteRange::new(5, 1).widened(8), ByteRange::new(0, 8));
        assert_eq!(ByteRange::new(7, 2).widened(8), ByteRange::new(0, 16));
        assert_eq!(ByteRange::new(8, 8).widened(8), ByteRange::new(8, 8));
        assert_eq!(ByteRange::new(9, 0).widened(8), ByteRange::new(9, 0));
        assert_eq!(ByteRange::new(u64::MAX - 1, 1).widened(8).end(), u64::MAX);
    }
}
