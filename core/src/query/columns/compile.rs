//! Compiles the typed tree of a filter: tests of rows in, tests of columns out.
//!
//! `!` is pushed down to the leaves. What columns do not have is taken to hold either way. Invariant: what is compiled holds
//! for all requests for which the filter holds; unless it says that it is not exact, for no others.

use super::ranges::Ranges;
use crate::format::{Field, Fields};
use crate::query::field::{Get, Value};
use crate::query::filter::{Bounds, Number, Test};
use crate::query::tree::Relation;
use crate::request::{Errno, Operation};

/// What must hold for a request, said of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    All,
    Nothing,
    And(Vec<Node>),
    Or(Vec<Node>),
    /// The number is in the ranges; of those that have no such number, the last says whether it holds.
    In(Numbers, Ranges, bool),
    /// The bit with the number of the value is set.
    Table(Small, u16),
}

/// Numbers that a request has, or that come with its completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Id,
    Device,
    Connection,
    Cookie,
    Offset,
    End,
    Length,
    /// Bytes from the offset to the end.
    Covered,
    Sector,
    SectorEnd,
    Sectors,
    Time,
    Early,
    /// Of completions from here on.
    Completed,
    Latency,
    Hold,
    Errno,
    /// Nothing but that there is one.
    Done,
}

/// Values below 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Small {
    Operation,
    Flags,
}

/// When a request has something to say in a field.
enum There {
    Always,
    Never,
    Completed,
    Failed,
    /// Columns do not know.
    Unknown,
}

impl Numbers {
    /// Of a field that is a number.
    fn of(get: Get) -> Option<Numbers> {
        Some(match get {
            Get::Id => Numbers::Id,
            Get::Connection => Numbers::Connection,
            Get::Cookie => Numbers::Cookie,
            Get::Offset => Numbers::Offset,
            Get::End => Numbers::End,
            Get::Length => Numbers::Length,
            Get::Sector => Numbers::Sector,
            Get::SectorEnd => Numbers::SectorEnd,
            Get::Sectors => Numbers::Sectors,
            Get::Time => Numbers::Time,
            Get::Early => Numbers::Early,
            Get::Completed => Numbers::Completed,
            Get::Latency => Numbers::Latency,
            Get::Hold => Numbers::Hold,
            _ => return None,
        })
    }

    /// Whether a request without a completion has none.
    pub(super) fn is_of_completion(self) -> bool {
        use Numbers::{Completed, Done, Errno, Hold, Latency};
        matches!(self, Completed | Latency | Hold | Errno | Done)
    }

    fn fields(self) -> &'static [Field] {
        match self {
            Numbers::Id => &[],
            Numbers::Device | Numbers::Connection => &[Field::IssueRoute],
            Numbers::Cookie => &[Field::IssueCookie],
            Numbers::Offset | Numbers::Sector => &[Field::IssueOffset],
            Numbers::End | Numbers::Covered | Numbers::SectorEnd | Numbers::Sectors => {
                &[Field::IssueOffset, Field::IssueLength]
            }
            Numbers::Length => &[Field::IssueLength],
            Numbers::Time => &[Field::IssueTime, Field::IssueEarly],
            Numbers::Early => &[Field::IssueEarly],
            Numbers::Completed => &[
                Field::IssueTime,
                Field::IssueEarly,
                Field::BlockIssue,
                Field::BlockLatency,
                Field::BlockHold,
            ],
            Numbers::Latency => &[Field::BlockIssue, Field::BlockLatency],
            Numbers::Hold => &[Field::BlockIssue, Field::BlockHold],
            Numbers::Errno => &[Field::BlockIssue, Field::BlockErrno],
            Numbers::Done => &[Field::BlockIssue],
        }
    }
}

/// Compiles, and remembers whether that was exact.
pub(super) struct Compiler {
    pub(super) exact: bool,
}

impl Compiler {
    /// A test, or with `wanted` false its opposite.
    pub(super) fn test(&mut self, test: &Test, wanted: bool) -> Node {
        match test {
            Test::And(tests) if wanted => every(tests.iter().map(|test| self.test(test, true))),
            Test::Or(tests) if !wanted => every(tests.iter().map(|test| self.test(test, false))),
            Test::And(tests) | Test::Or(tests) => self.any(tests, wanted),
            Test::Not(test) => self.test(test, !wanted),
            Test::Has(get) => match there(*get) {
                There::Always => known(wanted),
                There::Never => known(!wanted),
                There::Completed => leaf(Numbers::Done, &Ranges::all(), wanted),
                There::Failed => leaf(Numbers::Errno, &Ranges::all().without_zero(), wanted),
                There::Unknown => self.unknown(),
            },
            Test::Compare(relation, left, right) => self.compare(*relation, left, right, wanted),
            Test::Same(get, value, not) => self.values(*get, &[*value], *not, wanted),
            Test::OneOf(get, values, not) => self.values(*get, values, *not, wanted),
            Test::Within(number, bounds, not) => {
                let parts: Option<Vec<_>> = bounds.iter().map(ends).collect();
                match parts {
                    Some(parts) => self.number(number, &turned(&Ranges::of(parts), *not), wanted),
                    None => self.unknown(),
                }
            }
            Test::Content(..) | Test::HasContent(_) => self.unknown(),
        }
    }

    fn any(&mut self, tests: &[Test], wanted: bool) -> Node {
        let mut nodes = Vec::new();
        for test in tests {
            match self.test(test, wanted) {
                Node::Nothing => {}
                Node::All => return Node::All,
                node => nodes.push(node),
            }
        }
        if nodes.is_empty() { Node::Nothing } else { Node::Or(nodes) }
    }

    fn unknown(&mut self) -> Node {
        self.exact = false;
        Node::All
    }

    fn compare(&mut self, relation: Relation, left: &Number, right: &Number, wanted: bool) -> Node {
        if let Some(value) = right.known() {
            return self.number(left, &compared(relation, value), wanted);
        }
        if let Some(value) = left.known() {
            return self.number(right, &compared(mirrored(relation), value), wanted);
        }
        // So `overlaps` asks whether there are bytes at all.
        let some = Ranges::all().without_zero();
        match (left, relation, right) {
            (Number::Field(Get::Offset), Relation::Less, Number::Field(Get::End)) => {
                leaf(Numbers::Covered, &some, wanted)
            }
            (Number::Field(Get::Sector), Relation::Less, Number::Field(Get::SectorEnd)) => {
                leaf(Numbers::Sectors, &some, wanted)
            }
            _ => self.unknown(),
        }
    }

    /// A number is in `ranges`.
    fn number(&mut self, number: &Number, ranges: &Ranges, wanted: bool) -> Node {
        let Number::Field(get) = number else { return self.unknown() };
        match Numbers::of(*get) {
            Some(numbers) => leaf(numbers, ranges, wanted),
            None => self.unknown(),
        }
    }

    /// A field says one of `values`; with `not`, another.
    fn values(&mut self, get: Get, values: &[Value], not: bool, wanted: bool) -> Node {
        let is_there = |flag: bool| values.contains(&Value::Flag(flag)) != not;
        match get {
            Get::Operation => {
                let takes = |operation| values.contains(&Value::Operation(operation)) != not;
                let numbers = Operation::NAMES.iter().map(|(operation, _)| *operation);
                table(
                    Small::Operation,
                    wanted,
                    numbers.filter(|one| takes(*one)).map(|one| one as u8),
                )
            }
            Get::Flag(flag) => {
                let takes = |bits: &u8| is_there(bits & flag.bits() == flag.bits());
                table(Small::Flags, wanted, (0..16).filter(takes))
            }
            Get::Done => match (is_there(true), is_there(false)) {
                (true, true) => known(wanted),
                (false, false) => known(!wanted),
                (true, false) => leaf(Numbers::Done, &Ranges::all(), wanted),
                (false, true) => leaf(Numbers::Done, &Ranges::all(), !wanted),
            },
            Get::Device => {
                let number = |value: &Value| match value {
                    Value::Device(device) => Some(i128::from(device.0)),
                    _ => None,
                };
                let ranges = Ranges::of(values.iter().filter_map(number).map(|one| (one, one)));
                leaf(Numbers::Device, &turned(&ranges, not), wanted)
            }
            Get::Result => leaf(Numbers::Errno, &turned(&results(values), not), wanted),
            Get::Error => {
                leaf(Numbers::Errno, &turned(&results(values), not).without_zero(), wanted)
            }
            Get::EventKind => known((values.contains(&Value::Event("issue")) != not) == wanted),
            _ => self.unknown(),
        }
    }
}

/// All of them hold.
pub(super) fn every(all: impl Iterator<Item = Node>) -> Node {
    let mut nodes = Vec::new();
    for node in all {
        match node {
            Node::All => {}
            Node::Nothing => return Node::Nothing,
            node => nodes.push(node),
        }
    }
    if nodes.is_empty() { Node::All } else { Node::And(nodes) }
}

/// The fields that a test is about.
pub(super) fn add_fields(node: &Node, fields: &mut Vec<Field>) {
    match node {
        Node::All | Node::Nothing => {}
        Node::And(nodes) | Node::Or(nodes) => {
            for node in nodes {
                add_fields(node, fields);
            }
        }
        Node::In(numbers, ..) => fields.extend(numbers.fields()),
        Node::Table(Small::Operation, _) => fields.push(Field::IssueOperation),
        Node::Table(Small::Flags, _) => fields.push(Field::IssueFlags),
    }
}

/// The same as a set.
pub(super) fn fields(node: &Node) -> Fields {
    let mut all = Vec::new();
    add_fields(node, &mut all);
    Fields::of(&all)
}

/// Whether it depends on how requests ended.
pub(super) fn asks_completions(node: &Node) -> bool {
    match node {
        Node::All | Node::Nothing | Node::Table(..) => false,
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(asks_completions),
        Node::In(numbers, ..) => numbers.is_of_completion(),
    }
}

fn there(get: Get) -> There {
    match get {
        Get::Completed
        | Get::Latency
        | Get::Hold
        | Get::Undelivered
        | Get::Refused
        | Get::Result => There::Completed,
        Get::Error => There::Failed,
        Get::Step | Get::Depth | Get::Gap | Get::Seek | Get::Sequential | Get::NeverWritten => {
            There::Unknown
        }
        Get::Process | Get::Note | Get::Payload | Get::Hash => There::Never,
        _ => There::Always,
    }
}

fn known(holds: bool) -> Node {
    if holds { Node::All } else { Node::Nothing }
}

/// A number is in `ranges`, or its opposite: then it also holds for those that have no number.
fn leaf(numbers: Numbers, ranges: &Ranges, wanted: bool) -> Node {
    Node::In(numbers, turned(ranges, !wanted), !wanted)
}

fn table(small: Small, wanted: bool, values: impl Iterator<Item = u8>) -> Node {
    let bits = values.fold(0, |bits, value| bits | 1 << value);
    Node::Table(small, if wanted { bits } else { !bits })
}

fn turned(ranges: &Ranges, not: bool) -> Ranges {
    if not { ranges.others() } else { ranges.clone() }
}

/// The error numbers of results; 0 is none.
fn results(values: &[Value]) -> Ranges {
    let number = |value: &Value| match value {
        Value::Result(Ok(())) => Some(0),
        Value::Result(Err(Errno(number))) => Some(i128::from(*number)),
        _ => None,
    };
    Ranges::of(values.iter().filter_map(number).map(|one| (one, one)))
}

/// The numbers that stand in this relation to `value`.
fn compared(relation: Relation, value: i128) -> Ranges {
    let (below, above) = (value.saturating_sub(1), value.saturating_add(1));
    match relation {
        Relation::Equal => Ranges::of([(value, value)]),
        Relation::NotEqual => Ranges::of([(value, value)]).others(),
        Relation::Less => Ranges::of([(i128::MIN, below)]),
        Relation::LessOrEqual => Ranges::of([(i128::MIN, value)]),
        Relation::Greater => Ranges::of([(above, i128::MAX)]),
        Relation::GreaterOrEqual => Ranges::of([(value, i128::MAX)]),
    }
}

fn mirrored(relation: Relation) -> Relation {
    match relation {
        Relation::Less => Relation::Greater,
        Relation::LessOrEqual => Relation::GreaterOrEqual,
        Relation::Greater => Relation::Less,
        Relation::GreaterOrEqual => Relation::LessOrEqual,
        same => same,
    }
}

/// The first and the last number in bounds that are known.
fn ends(bounds: &Bounds) -> Option<(i128, i128)> {
    match bounds {
        Bounds::Equal(number) => number.known().map(|value| (value, value)),
        Bounds::Between(low, high, inclusive) => {
            let low = low.as_ref().map_or(Some(i128::MIN), Number::known)?;
            let high = match high {
                None => i128::MAX,
                Some(high) if *inclusive => high.known()?,
                Some(high) => high.known()?.saturating_sub(1),
            };
            Some((low, high))
        }
    }
}
