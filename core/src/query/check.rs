//! A tree to something that can be asked of rows: names are looked up, and types held against each other.
//!
//! Tree in, tests out; `numbers` and `contents` do the same for what is no test. Invariant: what is compared is of one kind; what is
//! known already is computed here.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::content::Content;
use super::error::QueryError;
use super::field::{Field, Get, Kind, Value};
use super::filter::{Bounds, Number, Test};
use super::function::{Function, Of};
use super::lex::RANGES;
use super::names;
use super::numbers::Counted;
use super::totals::Aggregate;
use super::tree::{Call, Item, Items, Limits, Node, Operator, Relation, What};
use crate::event::MarkName;

/// What is known of the trace.
pub(super) struct Surroundings<'a> {
    pub(super) devices: &'a [String],
    /// The time at which the recording began, in nanoseconds since 1970.
    pub(super) wall_clock_ns: Option<u64>,
}

/// Marks, each with its place in the text.
pub(super) type Marks = Vec<(MarkName, Range<usize>)>;

/// Checks trees for a trace.
pub(super) struct Checker<'a> {
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) aggregates: RefCell<Vec<Aggregate>>,
    pub(super) marks: RefCell<Marks>,
    /// Regular expressions so far.
    pub(super) patterns: Cell<usize>,
    /// What is looked at is part of an aggregate.
    pub(super) inside: Cell<bool>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(surroundings: &'a Surroundings<'a>) -> Checker<'a> {
        Checker {
            surroundings,
            aggregates: RefCell::default(),
            marks: RefCell::default(),
            patterns: Cell::new(0),
            inside: Cell::new(false),
        }
    }

    /// What the trees asked for, each in the order of their places.
    pub(super) fn gathered(self) -> (Vec<Aggregate>, Marks) {
        (self.aggregates.into_inner(), self.marks.into_inner())
    }

    /// What a part asks.
    pub(super) fn test(&self, node: &Node) -> Result<Test, QueryError> {
        match &node.what {
            What::Or(parts) => Ok(Test::Or(self.tests(parts)?)),
            What::And(parts) => Ok(Test::And(self.tests(parts)?)),
            What::Not(part) => Ok(Test::Not(Box::new(self.test(part)?))),
            What::Compare(relation, left, right) => self.compare(*relation, left, right),
            What::In { value, not, items } => self.among(value, *not, items),
            What::Overlaps(value, limits) => self.overlaps(value, limits),
            What::Contains(value, inner) => self.contains(value, inner),
            What::Matches(value, pattern) => self.matches(value, pattern),
            What::Has(field) => Ok(present(Self::field(field)?)),
            What::Word(word) => Self::alone(word, node),
            What::Call(call) => Err(self.call_alone(call, node)),
            What::Part(value, _) => Err(QueryError::new(
                "bytes say neither yes nor no",
                node.place.clone(),
                "compare them with something",
            )
            .help(format!("{value}[0:2] == 53:ef, or {value} contains 53:ef"))),
            What::Text(_) | What::Bytes(_) | What::Pattern(_) => Err(QueryError::new(
                "a literal says neither yes nor no",
                node.place.clone(),
                "compare something with it",
            )),
            What::Arithmetic(..)
            | What::Minus(_)
            | What::Number(_)
            | What::Span(_)
            | What::Percent(_)
            | What::Mark(_)
            | What::Clock(_) => {
                let error = QueryError::new(
                    "a number says neither yes nor no",
                    node.place.clone(),
                    "compare it with something",
                );
                Err(match node.what {
                    What::Arithmetic(Operator::And, ..) => error.help("use `&&` or `and`"),
                    _ => error,
                })
            }
        }
    }

    fn tests(&self, parts: &[Node]) -> Result<Vec<Test>, QueryError> {
        parts.iter().map(|part| self.test(part)).collect()
    }

    /// A word that stands alone: a flag, an operation, or a field that a request may not have.
    fn alone(word: &str, node: &Node) -> Result<Test, QueryError> {
        if let Some(field) = Field::named(word) {
            return Ok(match field.kind {
                Kind::Flag => Test::Same(field.get, Value::Flag(true), false),
                _ => present(field),
            });
        }
        if let Some(operation) = names::operation(word) {
            return Ok(Test::Same(Get::Operation, Value::Operation(operation), false));
        }
        Err(match names::result(word) {
            Some(_) => QueryError::new(
                format!("`{word}` alone says nothing"),
                node.place.clone(),
                "of which field?",
            )
            .help(format!("err == {word}, or result == {word}")),
            None => names::unknown(word, node),
        })
    }

    /// A function that stands alone, where yes or no is expected.
    fn call_alone(&self, call: &Call, node: &Node) -> QueryError {
        let wrong = match Function::named(&call.name).next().map(|function| function.of) {
            Some(Of::Hash) => self.content(node).err(),
            _ => self.number(node).err(),
        };
        wrong.unwrap_or_else(|| {
            let what = format!("`{}` says neither yes nor no", call.name);
            QueryError::new(what, node.place.clone(), "compare it with something")
        })
    }

    pub(super) fn field(node: &Node) -> Result<&'static Field, QueryError> {
        match &node.what {
            What::Word(word) => Field::named(word).ok_or_else(|| names::unknown(word, node)),
            _ => Err(QueryError::new(
                "this is no field",
                node.place.clone(),
                "the name of a field is expected",
            )),
        }
    }

    fn compare(&self, relation: Relation, left: &Node, right: &Node) -> Result<Test, QueryError> {
        let order = |what: String, place: Range<usize>| {
            let what = format!("{what}: one is not less than another");
            Err(QueryError::new(what, place, "use == or !="))
        };
        let equal = match relation {
            Relation::Equal => Some(false),
            Relation::NotEqual => Some(true),
            _ => None,
        };
        if let Some((field, value)) = self.named_pair(left, right)? {
            let Some(not) = equal else {
                let what = format!("`{}` is {}", field.name, field.kind.name());
                return order(what, left.place.start..right.place.end);
            };
            return Ok(Test::Same(field.get, value, not));
        }
        for (value, other) in [(left, right), (right, left)] {
            if let Some(content) = self.content_of(value)? {
                let Some(not) = equal else {
                    let what = format!("`{value}` is {}", content.kind());
                    return order(what, left.place.start..right.place.end);
                };
                let literals = [other];
                return Ok(Test::Content(content, Self::equal_to(content, value, &literals)?, not));
            }
        }
        let (one, other) = (self.number(left)?, self.number(right)?);
        Self::agree(&one, left, &other, right)?;
        Ok(Test::Compare(relation, one.number, other.number))
    }

    /// A field of names with a name, whichever comes first; `None` if neither is one.
    fn named_pair(
        &self,
        left: &Node,
        right: &Node,
    ) -> Result<Option<(&'static Field, Value)>, QueryError> {
        for (field, value) in [(left, right), (right, left)] {
            if let Some(field) = named(field) {
                let value = names::value(field, value, self.surroundings.devices)?;
                return Ok(Some((field, value)));
            }
        }
        Ok(None)
    }

    fn among(&self, value: &Node, not: bool, items: &Items) -> Result<Test, QueryError> {
        let no_ranges = |what: String, label: &str| {
            let what = format!("{what}, and has no ranges");
            QueryError::new(what, value.place.clone(), label)
        };
        let singles = |what: String| match items {
            Items::Limits(_) => Err(no_ranges(what, "use a set: {one, other}")),
            Items::Set(items) => items
                .iter()
                .map(|item| match item {
                    Item::One(node) => Ok(node),
                    Item::Limits(_) => Err(no_ranges(what.clone(), "use names")),
                })
                .collect::<Result<Vec<_>, _>>(),
        };
        if let Some(field) = named(value) {
            let nodes = singles(format!("`{}` is {}", field.name, field.kind.name()))?;
            let devices = self.surroundings.devices;
            let values = nodes.into_iter().map(|node| names::value(field, node, devices));
            return Ok(Test::OneOf(field.get, values.collect::<Result<_, _>>()?, not));
        }
        if let Some(content) = self.content_of(value)? {
            let nodes = singles(format!("`{value}` is {}", content.kind()))?;
            return Ok(Test::Content(content, Self::equal_to(content, value, &nodes)?, not));
        }
        let counted = self.number(value)?;
        let bounds = match items {
            Items::Limits(limits) => vec![self.bounds(&counted, value, limits)?],
            Items::Set(items) => items
                .iter()
                .map(|item| match item {
                    Item::Limits(limits) => self.bounds(&counted, value, limits),
                    Item::One(node) => {
                        let one = self.number(node)?;
                        Self::agree(&counted, value, &one, node)?;
                        Ok(Bounds::Equal(one.number))
                    }
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Test::Within(counted.number, bounds, not))
    }

    fn bounds(
        &self,
        counted: &Counted,
        value: &Node,
        limits: &Limits,
    ) -> Result<Bounds, QueryError> {
        let end = |node: &Option<Node>| {
            let Some(node) = node else { return Ok(None) };
            let number = self.number(node)?;
            Self::agree(counted, value, &number, node)?;
            Ok(Some((number.number, node.place.clone())))
        };
        let (low, high) = (end(&limits.low)?, end(&limits.high)?);
        if let (Some((Number::Constant(from), low)), Some((Number::Constant(to), high))) =
            (&low, &high)
            && (from > to || (from == to && !limits.inclusive))
        {
            let error =
                QueryError::new("nothing is in this range", low.start..high.end, "it is empty");
            return Err(if from > to {
                error.help("the smaller end comes first")
            } else {
                error.help(RANGES)
            });
        }
        let number = |end: Option<(Number, Range<usize>)>| end.map(|(number, _)| number);
        Ok(Bounds::Between(number(low), number(high), limits.inclusive))
    }

    /// Whether a request's range and another have anything in common.
    fn overlaps(&self, value: &Node, limits: &Limits) -> Result<Test, QueryError> {
        let field = Self::field(value)?;
        let end = match field.get {
            Get::Offset => Get::End,
            Get::Sector => Get::SectorEnd,
            _ => {
                let what = format!("`{}` is not where a request begins", field.name);
                return Err(QueryError::new(what, value.place.clone(), "off or lba is expected"));
            }
        };
        let begin = Counted { number: Number::Field(field.get), is_span: false };
        let Bounds::Between(low, high, inclusive) = self.bounds(&begin, value, limits)? else {
            return Err(QueryError::new("this is no range", value.place.clone(), ""));
        };
        // What has no bytes has none in common with anything.
        let mut tests =
            vec![Test::Compare(Relation::Less, Number::Field(field.get), Number::Field(end))];
        if let Some(high) = high {
            let relation = if inclusive { Relation::LessOrEqual } else { Relation::Less };
            tests.push(Test::Compare(relation, begin.number, high));
        }
        tests.extend(low.map(|low| Test::Compare(Relation::Greater, Number::Field(end), low)));
        Ok(Test::And(tests))
    }
}

/// The field that a part is, if its values have names.
fn named(node: &Node) -> Option<&'static Field> {
    let What::Word(word) = &node.what else { return None };
    Field::named(word)
        .filter(|field| !matches!(field.kind, Kind::Number | Kind::Span | Kind::Text | Kind::Bytes))
}

/// Whether a request has a field.
fn present(field: &Field) -> Test {
    Content::named(field).map_or(Test::Has(field.get), Test::HasContent)
}
