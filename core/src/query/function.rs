//! The functions of the language: names, what they are asked about, and what they say.
//!
//! The only table of functions: the checker, the help and the book are made from it. Invariant: a name with a number of
//! arguments means one function.

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it says.
    pub about: &'static str,
    /// Whether it is about all requests, which takes a first pass over the trace.
    pub over_all: bool,
    pub(super) of: Of,
}

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Has,
    Absolute,
    Hash,
    Crc32,
    Least,
    Greatest,
    All(Statistic),
}

/// What is said of many numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    Count,
    Sum,
    Mean,
    Least,
    Greatest,
    /// How many of a thousand are not above it.
    Percentile(u16),
    Deviation,
    Rate,
}

const fn one(name: &'static str, form: &'static str, of: Of, about: &'static str) -> Function {
    Function { name, form, about, over_all: matches!(of, Of::All(_)), of }
}

/// All functions.
pub static FUNCTIONS: [Function; 17] = [
    one("has", "has(FIELD)", Of::Has, "whether the request has that field"),
    one("abs", "abs(NUMBER)", Of::Absolute, "without its sign"),
    one("min", "min(ONE, OTHER, …)", Of::Least, "the least of several"),
    one("max", "max(ONE, OTHER, …)", Of::Greatest, "the greatest of several"),
    one(
        "hash",
        "hash(payload)",
        Of::Hash,
        "the xxh3-128 of the data or of some of them, as `hash` is",
    ),
    one(
        "crc32",
        "crc32(payload)",
        Of::Crc32,
        "the CRC-32 of the data or of some of them, as zlib and Ethernet have it",
    ),
    one(
        "count",
        "count(TEST)",
        Of::All(Statistic::Count),
        "how many requests it holds for; `count()` is all",
    ),
    one("sum", "sum(NUMBER)", Of::All(Statistic::Sum), "the sum of all"),
    one("mean", "mean(NUMBER)", Of::All(Statistic::Mean), "their mean, rounded to zero"),
    one("min", "min(NUMBER)", Of::All(Statistic::Least), "the least of all"),
    one("max", "max(NUMBER)", Of::All(Statistic::Greatest), "the greatest of all"),
    one(
        "p50",
        "p50(NUMBER)",
        Of::All(Statistic::Percentile(500)),
        "the least that half of all do not exceed",
    ),
    one("p90", "p90(NUMBER)", Of::All(Statistic::Percentile(900)), "the same of 90 in 100"),
    one("p99", "p99(NUMBER)", Of::All(Statistic::Percentile(990)), "the same of 99 in 100"),
    one("p999", "p999(NUMBER)", Of::All(Statistic::Percentile(999)), "the same of 999 in 1000"),
    one(
        "stddev",
        "stddev(NUMBER)",
        Of::All(Statistic::Deviation),
        "how far they are from their mean: the root of the mean square",
    ),
    one(
        "rate",
        "rate(TEST)",
        Of::All(Statistic::Rate),
        "how many requests a second; `rate(len)` is bytes a second",
    ),
];

impl Function {
    /// Those of this name.
    pub(super) fn named(name: &str) -> impl Iterator<Item = &'static Function> {
        FUNCTIONS.iter().filter(move |function| function.name == name)
    }
}
