//! The rules: what is looked for in a trace, as a table.
//!
//! A rule that the filter language can say is a filter and a sentence; the others name a tracker. Invariant: the help and
//! the book have this table, and tests hold them against it.

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing: it costs time, or says how a client works.
    Info,
    /// Likely not what was meant.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// All levels with their printed names, from least to most.
    pub const NAMES: [(Level, &'static str); 3] =
        [(Level::Info, "info"), (Level::Warn, "warn"), (Level::Error, "error")];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// How a rule finds what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// All requests for which this filter holds. `BLOCK` stands for the preferred block of their device and `SIZE` for its
    /// length, both in bytes.
    Filter(&'static str),
    /// The same, of the `FINDINGS_SLOW_MAX` slowest requests of each operation: it compares them with all others, and is asked
    /// when all are known.
    Slowest(&'static str),
    /// Something that takes more than one request to see.
    Tracker,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its code, which stays the same. Rules that belong together share one.
    pub code: &'static str,
    /// How much it matters.
    pub level: Level,
    /// Its name; no two rules share one.
    pub name: &'static str,
    /// How it is found.
    pub how: How,
    /// What is said of each.
    pub sentence: &'static str,
    /// What to do about it.
    pub about: &'static str,
}

const fn rule(
    (code, level, name): (&'static str, Level, &'static str),
    how: How,
    sentence: &'static str,
    about: &'static str,
) -> Rule {
    Rule { code, level, name, how, sentence, about }
}

/// Latencies are compared with others of the same operation, and only where there are enough.
const SLOW: &str = "lat > 100us and (\
    (read and count(read and done) >= 100 and lat > 10 * p99(lat where read)) or \
    (write and count(write and done) >= 100 and lat > 10 * p99(lat where write)) or \
    (write_zeroes and count(write_zeroes and done) >= 100 and lat > 10 * p99(lat where write_zeroes)) or \
    (discard and count(discard and done) >= 100 and lat > 10 * p99(lat where discard)) or \
    (flush and count(flush and done) >= 100 and lat > 10 * p99(lat where flush)) or \
    (block_status and count(block_status and done) >= 100 and lat > 10 * p99(lat where block_status)) or \
    (cache and count(cache and done) >= 100 and lat > 10 * p99(lat where cache)))";

const TRACKER: How = How::Tracker;

/// All rules, by code.
pub static RULES: [Rule; 19] = [
    rule(
        ("f1", Level::Error, "never-completed"),
        TRACKER,
        "it was never completed, and the recording ended in order",
        "the server or the image lost the request: look at what else happened at that time",
    ),
    rule(
        ("f1", Level::Info, "open-at-cut"),
        TRACKER,
        "it was not completed where the trace is cut: what came of it is not known",
        "nothing: the trace ends before its answer",
    ),
    rule(
        ("f1", Level::Error, "not-issued"),
        TRACKER,
        "a completion of a request that was not issued",
        "whoever wrote the trace is at fault",
    ),
    rule(
        ("f1", Level::Error, "id-in-flight"),
        TRACKER,
        "a request of this id is in flight already",
        "whoever wrote the trace is at fault",
    ),
    rule(
        ("f2", Level::Error, "error-reply"),
        How::Filter("err and not (fast_zero and err == ENOTSUP)"),
        "it failed",
        "a request that the front refused is the client's fault, any other the image's",
    ),
    rule(
        ("f2", Level::Warn, "retry"),
        TRACKER,
        "it was asked again, the same, within a second of its failure",
        "see whether the client gives up at some point, and what it tells its user",
    ),
    rule(
        ("f3", Level::Warn, "overlap"),
        TRACKER,
        "it overlaps one in flight, and one of them modifies: NBD and real disks leave the order open",
        "a recording and its replay take them in the order of ids; a client that relies on one has to wait for the first",
    ),
    rule(
        ("f4", Level::Warn, "never-written"),
        How::Filter("read and never_written and zeroes and result == ok"),
        "it read zeroes where nothing was written before in this trace",
        "the image may hold zeroes there; if not, the client reads what it never wrote",
    ),
    rule(
        ("f5", Level::Info, "redundant-flush"),
        TRACKER,
        "a flush with nothing to flush: the one before it covers all that was written",
        "leave it out, or flush once for several writes",
    ),
    rule(
        ("f5", Level::Info, "flushed-fua"),
        TRACKER,
        "a flush right behind a write with FUA, which it makes durable as well",
        "leave FUA out where a flush follows that other writes need",
    ),
    rule(
        ("f6", Level::Info, "rewritten"),
        TRACKER,
        "its range was written three times or more between two flushes",
        "only the last of them lasts: gather them before writing",
    ),
    rule(
        ("f7", Level::Warn, "unaligned"),
        How::Filter(
            "op in {write, write_zeroes} and end <= SIZE and (off % BLOCK != 0 or (end % BLOCK != 0 and end != SIZE))",
        ),
        "it does not fit the blocks that the device prefers",
        "the device reads, changes and writes whole blocks: align partitions, file systems and buffers",
    ),
    rule(
        ("f7", Level::Warn, "beyond-end"),
        How::Filter("op in {read, write, write_zeroes, discard} and end > SIZE"),
        "it goes beyond the end of the device",
        "the client takes the device for larger than it is",
    ),
    rule(
        ("f8", Level::Warn, "read-differs"),
        TRACKER,
        "it read something else than was last written to this range",
        "the image lost or changed data, or somebody else wrote to it",
    ),
    rule(
        ("f9", Level::Info, "slow"),
        How::Slowest(SLOW),
        "it took more than ten times as long as 99 of 100 of its operation",
        "see what else was in flight, and what the host did",
    ),
    rule(
        ("f9", Level::Info, "stall"),
        TRACKER,
        "requests were in flight, and for more than 100 ms none was completed",
        "see what the host did at that time",
    ),
    rule(
        ("f10", Level::Warn, "clock-backwards"),
        TRACKER,
        "a clock went backwards",
        "times around it mean little: somebody set the clock",
    ),
    rule(
        ("f10", Level::Warn, "events-lost"),
        TRACKER,
        "events are missing here",
        "what they may explain is not told: check says whether the file is damaged or the recorder dropped them",
    ),
    rule(
        ("f10", Level::Warn, "cut"),
        TRACKER,
        "the trace ends here, and does not say that the recording ended",
        "it was cut, its recorder was killed or has not finished: findings are those of what is whole",
    ),
];

impl Rule {
    /// The rule of this name.
    pub(super) fn named(name: &str) -> Option<&'static Rule> {
        RULES.iter().find(|rule| rule.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Filter;

    #[test]
    fn every_filter_of_the_table_is_one() {
        for rule in &RULES {
            if let How::Filter(text) | How::Slowest(text) = rule.how {
                let text = text.replace("BLOCK", "4096").replace("SIZE", "1048576");
                if let Err(error) = Filter::parse(&text, &[]) {
                    panic!("{}: {}", rule.name, error.shown(&text));
                }
            }
        }
    }

    #[test]
    fn names_are_apart_and_codes_count_up() {
        let mut codes: Vec<u32> = Vec::new();
        for (place, rule) in RULES.iter().enumerate() {
            assert!(RULES[..place].iter().all(|other| other.name != rule.name), "{}", rule.name);
            codes.push(rule.code[1..].parse().unwrap());
        }
        assert!(codes.is_sorted());
        codes.dedup();
        assert!(codes.into_iter().eq(1..=10));
    }
}
