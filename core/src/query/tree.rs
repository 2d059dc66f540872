//! A filter as it was written: what belongs to what. It can be written again.
//!
//! Knows no fields and no types. Invariant: what is written parses to the same tree.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

/// A part of a filter, with its place in the text. Two are the same wherever they stand.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) place: Range<usize>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.what == other.what
    }
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Compare(Relation, Box<Node>, Box<Node>),
    In {
        value: Box<Node>,
        not: bool,
        items: Items,
    },
    Overlaps(Box<Node>, Box<Limits>),
    Contains(Box<Node>, Box<Node>),
    /// With a pattern as it was written.
    Matches(Box<Node>, Box<Node>),
    Has(Box<Node>),
    Call(Call),
    /// Some of the bytes of a value.
    Part(Box<Node>, Part),
    Arithmetic(Operator, Box<Node>, Box<Node>),
    Minus(Box<Node>),
    Word(String),
    Number(i128),
    /// In nanoseconds.
    Span(i128),
    /// In billionths of a percent.
    Percent(i128),
    /// A string, and what bytes it is.
    Text(Vec<u8>),
    /// A regular expression, as it was written.
    Pattern(String),
    Bytes(Vec<u8>),
    /// The time of the first mark of this name.
    Mark(String),
    /// A time of the day, in nanoseconds since midnight.
    Clock(i128),
}

/// A function with what it is asked about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Node>,
    /// Of which requests.
    pub(super) of: Option<Box<Node>>,
}

/// Which bytes of a value, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    One(u64),
    /// From the first to before the second; up to the end where there is none.
    Between(u64, Option<u64>),
}

/// What a value is to be in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Items {
    Limits(Box<Limits>),
    Set(Vec<Item>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    One(Node),
    Limits(Limits),
}

/// A range; an end that is not there is no bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    pub(super) low: Option<Node>,
    pub(super) high: Option<Node>,
    pub(super) inclusive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Each with how it is written, and in letters.
    pub(super) const NAMES: [(Relation, &'static str, &'static str); 6] = [
        (Relation::Equal, "==", "eq"),
        (Relation::NotEqual, "!=", "ne"),
        (Relation::Less, "<", "lt"),
        (Relation::LessOrEqual, "<=", "le"),
        (Relation::Greater, ">", "gt"),
        (Relation::GreaterOrEqual, ">=", "ge"),
    ];
}

impl Relation {
    /// Whether it holds between two numbers.
    pub(super) fn holds(self, left: i128, right: i128) -> bool {
        match self {
            Relation::Equal => left == right,
            Relation::NotEqual => left != right,
            Relation::Less => left < right,
            Relation::LessOrEqual => left <= right,
            Relation::Greater => left > right,
            Relation::GreaterOrEqual => left >= right,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
    And,
}

impl Operator {
    pub(super) const NAMES: [(Operator, &'static str); 6] = [
        (Operator::Plus, "+"),
        (Operator::Minus, "-"),
        (Operator::Times, "*"),
        (Operator::Over, "/"),
        (Operator::Modulo, "%"),
        (Operator::And, "&"),
    ];
}

impl Node {
    /// Whether it must stand in parentheses beside anything.
    fn is_compound(&self) -> bool {
        matches!(
            self.what,
            What::Or(_)
                | What::And(_)
                | What::Not(_)
                | What::Compare(..)
                | What::In { .. }
                | What::Overlaps(..)
                | What::Contains(..)
                | What::Matches(..)
                | What::Arithmetic(..)
                | What::Minus(_)
        )
    }

    fn write_inside(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_compound() { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

/// A part that is written inside of another.
struct Inside<'a>(&'a Node);

impl Display for Inside<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.write_inside(f)
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let join = |f: &mut Formatter<'_>, parts: &[Node], word: &str| {
            parts.iter().enumerate().try_for_each(|(place, part)| {
                let between = if place > 0 { word } else { "" };
                write!(f, "{between}{}", Inside(part))
            })
        };
        match &self.what {
            What::Or(parts) => join(f, parts, " or "),
            What::And(parts) => join(f, parts, " and "),
            What::Not(part) => write!(f, "not {}", Inside(part)),
            What::Compare(relation, left, right) => {
                let sign = Relation::NAMES[*relation as usize].1;
                write!(f, "{} {sign} {}", Inside(left), Inside(right))
            }
            What::In { value, not, items } => {
                let not = if *not { "not " } else { "" };
                write!(f, "{} {not}in {items}", Inside(value))
            }
            What::Overlaps(value, limits) => write!(f, "{} overlaps {limits}", Inside(value)),
            What::Contains(value, inner) => {
                write!(f, "{} contains {}", Inside(value), Inside(inner))
            }
            What::Matches(value, pattern) => {
                write!(f, "{} matches {}", Inside(value), Inside(pattern))
            }
            What::Has(field) => write!(f, "has({field})"),
            What::Call(call) => write!(f, "{call}"),
            What::Part(value, part) => write!(f, "{}[{part}]", Inside(value)),
            What::Arithmetic(operator, left, right) => {
                let sign = Operator::NAMES[*operator as usize].1;
                write!(f, "{} {sign} {}", Inside(left), Inside(right))
            }
            What::Minus(part) => write!(f, "-{}", Inside(part)),
            What::Word(word) => f.write_str(word),
            What::Number(number) => write!(f, "{number}"),
            What::Span(nanos) => write!(f, "{nanos}ns"),
            What::Percent(parts) => {
                write!(f, "{}.{:09}%", parts / 1_000_000_000, parts % 1_000_000_000)
            }
            What::Text(text) => write_text(f, text),
            What::Pattern(pattern) => write!(f, "\"{pattern}\""),
            What::Bytes(bytes) => bytes.iter().enumerate().try_for_each(|(place, byte)| {
                write!(f, "{}{byte:02x}", if place > 0 { ":" } else { "" })
            }),
            What::Mark(name) => {
                f.write_str("@")?;
                write_text(f, name.as_bytes())
            }
            What::Clock(nanos) => {
                let (seconds, part) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                write!(f, "@{hours:02}:{minutes:02}:{:02}.{part:09}", seconds % 60)
            }
        }
    }
}

/// A string as it is written.
fn write_text(f: &mut Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
    }
    f.write_str("\"")
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (place, argument) in self.arguments.iter().enumerate() {
            write!(f, "{}{}", if place > 0 { ", " } else { "" }, Inside(argument))?;
        }
        if let Some(of) = &self.of {
            write!(f, " where {}", Inside(of))?;
        }
        f.write_str(")")
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Part::One(place) => write!(f, "{place}"),
            Part::Between(from, Some(to)) => write!(f, "{from}:{to}"),
            Part::Between(from, None) => write!(f, "{from}:"),
        }
    }
}

impl Display for Items {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Items::Limits(limits) => write!(f, "{limits}"),
            Items::Set(items) => {
                f.write_str("{")?;
                for (place, item) in items.iter().enumerate() {
                    f.write_str(if place > 0 { ", " } else { "" })?;
                    match item {
                        Item::One(node) => node.write_inside(f)?,
                        Item::Limits(limits) => write!(f, "{limits}")?,
                    }
                }
                f.write_str("}")
            }
        }
    }
}

impl Display for Limits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let end = |node: &Option<Node>| {
            node.as_ref().map_or(String::new(), |node| Inside(node).to_string())
        };
        let sign = if self.inclusive { "..=" } else { ".." };
        write!(f, "{}{sign}{}", end(&self.low), end(&self.high))
    }
}
