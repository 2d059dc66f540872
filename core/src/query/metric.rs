//! A number that all requests of a trace give together, and the bounds that it is held against: `p99(lat where read)`,
//! `<= +10% && +200us`.
//!
//! ```text
//! p99(lat where read) <= +10% && +200us
//! └──── metric ─────┘ └── bound ──────┘
//! ```
//!
//! Text in, numbers out. Knows no traces: who has one hands in its rows. Invariants: a metric is a number of the filter language
//! in which nothing is asked of one request alone; a bound and what it is held against are of one kind.

use std::fmt;

use super::check::{Checker, Surroundings};
use super::error::QueryError;
use super::field::Get;
use super::filter::{Filter, Number, Test};
use super::lex::{Token, words};
use super::parse::Parser;
use super::quantity::PERCENT;
use super::totals::Totals;
use super::tree::Relation;
use crate::format::Header;

/// Limits of one bound, at most.
const LIMITS_MAX: usize = 8;

/// A number that all requests give together.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// One term, which compares the number with nothing that matters.
    filter: Filter,
    is_span: bool,
}

impl Metric {
    /// The metric that `text` says, for a trace with these devices, in their order.
    pub fn parse(text: &str, devices: &[String]) -> Result<Metric, QueryError> {
        Metric::checked(text, &Surroundings { devices, wall_clock_ns: None })
    }

    /// The metric that `text` says, for the trace with this header.
    pub fn of(text: &str, header: &Header) -> Result<Metric, QueryError> {
        let devices: Vec<_> = header.devices.iter().map(|device| device.name.clone()).collect();
        let wall_clock_ns = Some(header.wall_clock_ns);
        Metric::checked(text, &Surroundings { devices: &devices, wall_clock_ns })
    }

    /// The metric that `text` says wherever devices have the names that are in it: to know whether it is one.
    pub fn anywhere(text: &str) -> Result<Metric, QueryError> {
        let devices = words(text)?;
        Metric::checked(text, &Surroundings { devices: &devices, wall_clock_ns: Some(0) })
    }

    fn checked(text: &str, surroundings: &Surroundings<'_>) -> Result<Metric, QueryError> {
        let mut parser = Parser::of(text, "the metric is empty")?;
        let node = parser.sum()?;
        parser.finish("the end")?;
        let checker = Checker::new(surroundings);
        let counted = checker.number(&node)?;
        let place = node.place.clone();
        if counted.number.is_of_one() {
            let what = "this is said of one request, not of all together";
            return Err(QueryError::new(what, place, "of which requests?")
                .help("count(flush), sum(len where write) and p99(lat where read) are metrics"));
        }
        let (aggregates, marks) = checker.gathered();
        if aggregates.is_empty() {
            let what = "nothing is measured";
            return Err(QueryError::new(what, place, "it is the same for every trace")
                .help("count(flush), sum(len where write) and p99(lat where read) are metrics"));
        }
        let only = Test::Compare(Relation::Equal, counted.number, Number::Constant(0));
        let terms = vec![(only, place.clone())];
        let filter = Filter::made(text, terms, aggregates, marks);
        if filter.needs().data {
            let what = "a metric cannot ask for data of requests";
            return Err(QueryError::new(what, place, "use hash or zeroes"));
        }
        Ok(Metric { filter, is_span: counted.is_span })
    }

    /// What it takes beside rows: as that of a filter. Marks are settled, and totals are gathered, by it.
    pub fn filter(&mut self) -> &mut Filter {
        &mut self.filter
    }

    /// The number, once totals are gathered; `None` if there were no requests that could say it.
    pub fn value(&self, totals: &Totals) -> Option<i128> {
        let mut filter = self.filter.clone();
        filter.settle(totals);
        match filter.terms.first() {
            Some((Test::Compare(_, Number::Constant(value), _), _)) => Some(*value),
            _ => None,
        }
    }

    /// Whether it is a span of time, in nanoseconds.
    pub fn is_span(&self) -> bool {
        self.is_span
    }

    /// Whether it is a number of bytes.
    pub fn is_bytes(&self) -> bool {
        let of_bytes = |get| matches!(get, Get::Length | Get::Offset | Get::End);
        let of =
            |number: &Option<Number>| matches!(number, Some(Number::Field(get)) if of_bytes(*get));
        let total = |test: &Test| matches!(test, Test::Compare(_, Number::Total(_), _));
        self.filter.terms.iter().all(|(test, _)| total(test))
            && self.filter.aggregates.iter().all(|aggregate| of(&aggregate.number))
    }

    /// Whether clocks decide it, so that one run says little.
    pub fn depends_on_time(&self) -> bool {
        self.filter.depends_on_time()
    }
}

/// What a metric is held against: it is exceeded if every limit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    relation: Relation,
    limits: Vec<Limit>,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// This number.
    At(i128, Scale),
    /// So much more than that of the other side.
    More(i128, Scale),
    /// So many billionths of a percent more.
    Part(i128),
}

/// Of what kind a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Plain,
    Span,
}

/// Which way a metric may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Not above the limit.
    Up,
    /// Not below it.
    Down,
}

/// A metric as it is written, and its bound.
pub fn budget(text: &str) -> Result<(String, Bound), QueryError> {
    let mut parser = Parser::of(text, "the budget is empty")?;
    let metric = parser.sum()?;
    let about = text.get(metric.place.clone()).unwrap_or(text);
    Metric::anywhere(about).map_err(|error| {
        let place = error.place.start + metric.place.start..error.place.end + metric.place.start;
        QueryError { place, ..error }
    })?;
    let at = parser.place();
    let Some(relation) = parser.relation() else {
        return Err(parser.unexpected("<=, <, >=, > or == and a limit"));
    };
    if relation == Relation::NotEqual {
        return Err(QueryError::new("a budget has no `!=`", at, "use <=, <, >=, > or =="));
    }
    let bound = limits(&mut parser, relation)?;
    Ok((about.to_owned(), bound))
}

/// Limits with `&&` between them, up to the end.
fn limits(parser: &mut Parser, relation: Relation) -> Result<Bound, QueryError> {
    let mut limits = Vec::new();
    loop {
        if limits.len() == LIMITS_MAX {
            let what = format!("more than {LIMITS_MAX} limits");
            return Err(QueryError::new(what, parser.place(), "one too many"));
        }
        limits.push(limit(parser)?);
        if !(parser.sign("&&") || parser.word("and")) {
            break;
        }
    }
    parser.finish("&& and another limit, or the end")?;
    Ok(Bound { relation, limits })
}

fn limit(parser: &mut Parser) -> Result<Limit, QueryError> {
    let sign = if parser.sign("+") {
        Some(1)
    } else if parser.sign("-") {
        Some(-1)
    } else {
        None
    };
    let limit = match (parser.peek(), sign) {
        (Some(Token::Percent(parts)), Some(sign)) => Limit::Part(sign * parts),
        (Some(Token::Percent(_)), None) => {
            let what = "a part of a hundred of what?";
            return Err(QueryError::new(what, parser.place(), "say whether it is more or less")
                .help("+5% is up to 5% more than the other side, -5% down to 5% less"));
        }
        (Some(Token::Number(number)), Some(sign)) => Limit::More(sign * number, Scale::Plain),
        (Some(Token::Span(nanos)), Some(sign)) => Limit::More(sign * nanos, Scale::Span),
        (Some(Token::Number(number)), None) => Limit::At(*number, Scale::Plain),
        (Some(Token::Span(nanos)), None) => Limit::At(*nanos, Scale::Span),
        _ => return Err(parser.unexpected("a limit, such as 1000, +5% or +200us")),
    };
    parser.at += 1;
    Ok(limit)
}

impl Bound {
    /// The bound that `text` says alone: one limit without a sign, up to which, or down to which, a metric may go.
    pub fn absolute(text: &str, way: Way) -> Result<Bound, QueryError> {
        let bound = Bound::alone(text, way, "")?;
        match bound.limits[..] {
            [Limit::At(..)] => Ok(bound),
            _ => Err(no_number(text)),
        }
    }

    /// The bound of a change by a part of base: one limit without a sign.
    pub fn part(text: &str, way: Way) -> Result<Bound, QueryError> {
        let bound = Bound::alone(text, way, way.sign())?;
        match bound.limits[..] {
            [Limit::Part(_)] => Ok(bound),
            _ => Err(QueryError::new("this is no part of base", 0..text.len(), "such as 5%")),
        }
    }

    /// The bound of a change by a number: one limit without a sign.
    pub fn more(text: &str, way: Way) -> Result<Bound, QueryError> {
        let bound = Bound::alone(text, way, way.sign())?;
        match bound.limits[..] {
            [Limit::More(..)] => Ok(bound),
            _ => Err(no_number(text)),
        }
    }

    /// Both bounds, which are of the same way: it is exceeded if both are.
    #[must_use]
    pub fn and(self, other: Bound) -> Bound {
        Bound { limits: [self.limits, other.limits].concat(), ..self }
    }

    fn alone(text: &str, way: Way, sign: &str) -> Result<Bound, QueryError> {
        let signed = format!("{sign}{text}");
        let moved = |error: QueryError| {
            let back = |place: usize| place.saturating_sub(sign.len());
            let place = back(error.place.start)..back(error.place.end);
            QueryError { place, ..error }
        };
        let read = || {
            let mut parser = Parser::of(&signed, "the limit is empty")?;
            let limits = vec![limit(&mut parser)?];
            parser.finish("the end")?;
            Ok(Bound { relation: way.relation(), limits })
        };
        read().map_err(moved)
    }

    /// Whether it is about the change from one side to the other, rather than about one of them.
    pub fn is_of_change(&self) -> bool {
        self.limits.iter().any(|limit| !matches!(limit, Limit::At(..)))
    }

    /// Whether a metric can be held against it: a span is held against spans.
    pub fn fits(&self, metric: &Metric) -> bool {
        self.limits.iter().all(|limit| match limit {
            Limit::At(_, scale) | Limit::More(_, scale) => {
                (*scale == Scale::Span) == metric.is_span()
            }
            Limit::Part(_) => true,
        })
    }

    /// Whether `new` is beyond every limit, seen from `base`. Both are so many times the metric; `None` if a number is too large.
    pub fn is_exceeded(&self, base: i128, new: i128, times: i128) -> Option<bool> {
        for limit in &self.limits {
            let (found, allowed) = match *limit {
                Limit::At(number, _) => (new, number.checked_mul(times)?),
                Limit::More(number, _) => (new, base.checked_add(number.checked_mul(times)?)?),
                Limit::Part(parts) => {
                    const WHOLE: i128 = 100 * PERCENT;
                    let change = new.checked_sub(base)?.checked_mul(WHOLE)?;
                    (change, base.checked_abs()?.checked_mul(parts)?)
                }
            };
            if self.relation.holds(found, allowed) {
                return Some(false);
            }
        }
        Some(true)
    }
}

fn no_number(text: &str) -> QueryError {
    QueryError::new("this is no number", 0..text.len(), "such as 1000, 40M or 5ms")
}

impl Way {
    fn sign(self) -> &'static str {
        match self {
            Way::Up => "+",
            Way::Down => "-",
        }
    }

    fn relation(self) -> Relation {
        match self {
            Way::Up => Relation::LessOrEqual,
            Way::Down => Relation::GreaterOrEqual,
        }
    }
}

/// As it is written; `<=`, which most have, is left out.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.relation != Relation::LessOrEqual {
            write!(f, "{} ", Relation::NAMES[self.relation as usize].1)?;
        }
        for (place, limit) in self.limits.iter().enumerate() {
            write!(f, "{}{limit}", if place > 0 { " && " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Limit::At(number, scale) => write!(f, "{}", Scaled(number, scale)),
            Limit::More(number, scale) => {
                let sign = if number < 0 { '-' } else { '+' };
                write!(f, "{sign}{}", Scaled(number.abs(), scale))
            }
            Limit::Part(parts) => {
                let (sign, size) = (if parts < 0 { '-' } else { '+' }, parts.abs());
                let number = format!("{}.{:09}", size / PERCENT, size % PERCENT);
                write!(f, "{sign}{}%", number.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

/// A number in the largest unit that tells it without a point.
struct Scaled(i128, Scale);

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SPANS: [(i128, &str); 4] =
            [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us"), (1, "ns")];
        const SIZES: [(i128, &str); 4] = [(1 << 30, "G"), (1 << 20, "M"), (1 << 10, "k"), (1, "")];
        let units = if self.1 == Scale::Span { SPANS } else { SIZES };
        let fits = |(unit, _): &&(i128, &str)| self.0 % unit == 0 && self.0 != 0;
        let (unit, name) = units.iter().find(fits).unwrap_or(&units[3]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Bound {
        budget(&format!("count() {text}")).unwrap().1
    }

    fn exceeded(text: &str, base: i128, new: i128) -> bool {
        bound(text).is_exceeded(base, new, 1).unwrap()
    }

    /// The error, with what is under the caret.
    fn wrong(text: &str) -> (String, String, String) {
        let error = budget(text).unwrap_err();
        (error.what, text[error.place].to_owned(), error.label)
    }

    #[test]
    fn a_budget_is_a_metric_and_a_bound() {
        let (metric, bound) = budget("p99(lat where read) <= +10% && +200us").unwrap();
        assert_eq!(
            (metric.as_str(), bound.to_string()),
            ("p99(lat where read)", "+10% && +200us".into())
        );
        let metric = Metric::anywhere(&metric).unwrap();
        assert!(metric.is_span() && metric.depends_on_time() && bound.fits(&metric));
        let (metric, bound) = budget("sum(len where write) < 40M").unwrap();
        let metric = Metric::anywhere(&metric).unwrap();
        assert!(metric.is_bytes() && !metric.depends_on_time() && bound.fits(&metric));
        assert_eq!(bound.to_string(), "< 40M");
        for text in [
            "rate(write)",
            "count(t < 1s)",
            "max(qd)",
            "count(gap > 1ms)",
            "sum(len where t < @\"a\")",
        ] {
            assert!(Metric::anywhere(text).unwrap().depends_on_time(), "{text}");
        }
        for text in [
            "count(flush)",
            "1000 * count(flush) / count(write)",
            "max(epoch)",
            "count(dev == disk)",
        ] {
            assert!(!Metric::anywhere(text).unwrap().depends_on_time(), "{text}");
        }
        assert!(!Metric::anywhere("count(len > 4k)").unwrap().is_bytes());
    }

    #[test]
    fn a_bound_is_exceeded_if_every_limit_is() {
        assert!(!exceeded("<= 12", 0, 12) && exceeded("<= 12", 0, 13));
        assert!(!exceeded("< 13", 0, 12) && exceeded("< 12", 0, 12));
        assert!(!exceeded(">= 12", 0, 12) && exceeded(">= 12", 0, 11));
        assert!(!exceeded("== 12", 0, 12) && exceeded("== 12", 0, 11));
        assert!(!exceeded("<= +5%", 100, 105) && exceeded("<= +5%", 100, 106));
        assert!(!exceeded(">= -5%", 100, 95) && exceeded(">= -5%", 100, 94));
        assert!(!exceeded("<= +0.5%", 200, 201) && exceeded("<= +0.5%", 200, 202));
        assert!(exceeded("<= -5%", 100, 96) && !exceeded("<= -5%", 100, 95), "it must fall");
        assert!(!exceeded("<= +3", 100, 103) && exceeded("<= +3", 100, 104));
        assert!(exceeded("<= +10%", 0, 1), "of nothing there is no part");
        assert!(!exceeded("<= +10% && +3", 10, 13), "by more than 10%, and not by more than 3");
        assert!(!exceeded("<= +10% && +3", 100, 104), "by more than 3, and not by more than 10%");
        assert!(exceeded("<= +10% && +3", 10, 14));
        assert_eq!(bound("<= 12").is_exceeded(2, 25, 2), Some(true), "halves can be told");
        assert_eq!(bound("<= +5%").is_exceeded(i128::MAX, 0, 1), None);
    }

    #[test]
    fn limits_of_a_file_mean_what_they_mean_in_a_budget() {
        assert_eq!(Bound::absolute("40M", Way::Up).unwrap(), bound("<= 40M"));
        assert_eq!(Bound::absolute("5ms", Way::Down).unwrap(), bound(">= 5ms"));
        let (part, more) = (Bound::part("10%", Way::Up), Bound::more("200us", Way::Up));
        assert_eq!(part.unwrap().and(more.unwrap()), bound("<= +10% && +200us"));
        assert_eq!(Bound::part("10%", Way::Down).unwrap(), bound(">= -10%"));
        let what = |error: QueryError| error.what;
        assert_eq!(what(Bound::part("5", Way::Up).unwrap_err()), "this is no part of base");
        assert_eq!(what(Bound::part("200us", Way::Up).unwrap_err()), "this is no part of base");
        assert_eq!(what(Bound::more("5%", Way::Up).unwrap_err()), "this is no number");
        assert!(Bound::absolute("5%", Way::Up).is_err());
        assert!(Bound::absolute("+5", Way::Up).is_err());
        assert_eq!(Bound::more("200u", Way::Up).unwrap_err().place, 3..4);
        assert!(Bound::part("+10%", Way::Up).is_err());
    }

    #[test]
    fn what_is_written_again_means_the_same() {
        for text in [
            "<= +10% && +200us",
            ">= -0.25%",
            "< 1k",
            "== 0",
            "<= 1500ms",
            "<= 3h",
            "<= +12 && +3%",
        ] {
            let once = bound(text);
            let shown = once.to_string();
            let again =
                if shown.starts_with(['<', '>', '=']) { shown } else { format!("<= {shown}") };
            assert_eq!(bound(&again), once, "{text}");
        }
        assert_eq!(bound("<= 1500ms").to_string(), "1500ms");
    }

    #[test]
    fn what_is_no_budget_is_refused_at_its_place() {
        let (what, at, label) = wrong("lat <= 5ms");
        assert_eq!(
            (what.as_str(), at.as_str()),
            ("this is said of one request, not of all together", "lat")
        );
        assert_eq!(label, "of which requests?");
        assert_eq!(wrong("12 <= 5").0, "nothing is measured");
        assert_eq!(wrong("  count(flsh) <= 5").1, "flsh");
        assert_eq!(wrong("count(flush) != 5").0, "a budget has no `!=`");
        assert_eq!(wrong("count(flush) <= 5%").0, "a part of a hundred of what?");
        assert_eq!(wrong("count(flush)").2, "expected <=, <, >=, > or == and a limit");
        assert_eq!(wrong("count(flush) <= len").1, "len");
        assert_eq!(wrong("count(flush) <= 5 6").2, "expected && and another limit, or the end");
        assert_eq!(wrong("").0, "the budget is empty");
        assert_eq!(
            wrong("count(payload[0] == 1) <= 5").0,
            "a metric cannot ask for data of requests"
        );
        assert_eq!(wrong(&format!("count() <= 1{}", " && 1".repeat(8))).0, "more than 8 limits");
        let span = Metric::anywhere("p99(lat)").unwrap();
        assert!(!bound("<= 5").fits(&span) && bound("<= +5%").fits(&span));
    }

    #[test]
    fn a_filter_can_be_checked_before_there_is_a_trace() {
        assert!(Filter::anywhere("dev == disk && t < @08:32:53.5").is_ok());
        assert!(Filter::anywhere("dev == disk && lenn > 3").is_err());
    }
}
