//! A tree to something that can be asked of rows: names are looked up, and types held against each other.
//!
//! Tree in, tests out. Invariant: what is compared is of one kind; what is known already is computed here.

use super::error::QueryError;
use super::field::{FIELDS, Field, Get, Kind, Value};
use super::filter::{Bounds, Number, Test};
use super::tree::{Item, Items, Limits, Node, Operator, Relation, What};
use crate::request::{DeviceId, Errno, Operation};

/// Other names of operations.
const OPERATIONS: [(&str, Operation); 3] = [
    ("zero", Operation::WriteZeroes),
    ("trim", Operation::Discard),
    ("status", Operation::BlockStatus),
];

/// Checks trees for a trace with these devices.
pub(super) struct Checker<'a> {
    pub(super) devices: &'a [String],
}

/// A part that has a number, and whether that is a span.
struct Counted {
    number: Number,
    is_span: bool,
}

impl Checker<'_> {
    /// What a part asks.
    pub(super) fn test(&self, node: &Node) -> Result<Test, QueryError> {
        match &node.what {
            What::Or(parts) => Ok(Test::Or(self.tests(parts)?)),
            What::And(parts) => Ok(Test::And(self.tests(parts)?)),
            What::Not(part) => Ok(Test::Not(Box::new(self.test(part)?))),
            What::Compare(relation, left, right) => self.compare(*relation, left, right),
            What::In { value, not, items } => self.among(value, *not, items),
            What::Overlaps(value, limits) => Self::overlaps(value, limits),
            What::Has(field) => Ok(Test::Has(Self::field(field)?.get)),
            What::Word(word) => Self::alone(word, node),
            What::Arithmetic(..) | What::Minus(_) | What::Number(_) | What::Span(_) => {
                Err(QueryError::new(
                    "a number says neither yes nor no",
                    node.place.clone(),
                    "compare it with something",
                ))
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
                _ => Test::Has(field.get),
            });
        }
        if let Some(operation) = operation(word) {
            return Ok(Test::Same(Get::Operation, Value::Operation(operation), false));
        }
        Err(match result(word) {
            Some(_) => QueryError::new(
                format!("`{word}` alone says nothing"),
                node.place.clone(),
                "of which field?",
            )
            .help(format!("err == {word}, or result == {word}")),
            None => Self::unknown(word, node),
        })
    }

    fn field(node: &Node) -> Result<&'static Field, QueryError> {
        match &node.what {
            What::Word(word) => Field::named(word).ok_or_else(|| Self::unknown(word, node)),
            _ => Err(QueryError::new(
                "this is no field",
                node.place.clone(),
                "the name of a field is expected",
            )),
        }
    }

    fn unknown(word: &str, node: &Node) -> QueryError {
        let fields = FIELDS.iter().flat_map(|field| {
            std::iter::once(field.name)
                .chain(field.aliases.iter().copied())
                .map(|name| (name, field.name))
        });
        let operations = Operation::NAMES.iter().map(|(_, name)| (*name, *name));
        let others = OPERATIONS.iter().map(|(name, _)| (*name, *name));
        let near = fields
            .chain(operations)
            .chain(others)
            .map(|(name, of)| (strsim::damerau_levenshtein(name, word), name, of))
            .filter(|(distance, name, _)| *distance <= 2 && *distance < name.len())
            .min_by_key(|(distance, ..)| *distance);
        let label = match near {
            Some((_, name, of)) if name == of => format!("did you mean `{name}`?"),
            Some((_, name, of)) => format!("did you mean `{of}` (alias `{name}`)?"),
            None => "no field, operation or errno is called that".to_owned(),
        };
        QueryError::new(format!("unknown field `{word}`"), node.place.clone(), label)
            .help("blkreplay help filter  lists the fields")
    }

    fn compare(&self, relation: Relation, left: &Node, right: &Node) -> Result<Test, QueryError> {
        if let Some((field, value)) = self.named_pair(left, right)? {
            let not = match relation {
                Relation::Equal => false,
                Relation::NotEqual => true,
                _ => {
                    let what = format!(
                        "`{}` is {}: one is not less than another",
                        field.name,
                        field.kind.name()
                    );
                    return Err(QueryError::new(
                        what,
                        left.place.start..right.place.end,
                        "use == or !=",
                    ));
                }
            };
            return Ok(Test::Same(field.get, value, not));
        }
        let (one, other) = (Self::number(left)?, Self::number(right)?);
        Self::agree(&one, left, &other, right)?;
        Ok(Test::Compare(relation, one.number, other.number))
    }

    /// A field of names with a name, whichever comes first; `None` if both are numbers.
    fn named_pair(
        &self,
        left: &Node,
        right: &Node,
    ) -> Result<Option<(&'static Field, Value)>, QueryError> {
        for (field, value) in [(left, right), (right, left)] {
            let What::Word(word) = &field.what else { continue };
            let Some(field) = Field::named(word) else { continue };
            if !matches!(field.kind, Kind::Number | Kind::Span) {
                return Ok(Some((field, self.name(field, value)?)));
            }
        }
        Ok(None)
    }

    /// The value that a name has for a field.
    fn name(&self, field: &'static Field, node: &Node) -> Result<Value, QueryError> {
        let wrong = |label: String| {
            let what = format!("`{}` is {}", field.name, field.kind.name());
            QueryError::new(what, node.place.clone(), label)
        };
        let What::Word(word) = &node.what else {
            return Err(wrong("a name is expected".to_owned()));
        };
        match field.kind {
            Kind::Operation => operation(word).map(Value::Operation).ok_or_else(|| {
                let names: Vec<_> = Operation::NAMES.iter().map(|(_, name)| *name).collect();
                wrong(format!("none of {}", names.join(", ")))
            }),
            Kind::Result => result(word)
                .map(Value::Result)
                .ok_or_else(|| wrong("neither ok nor the name of an errno, as EIO is".to_owned())),
            Kind::Device => {
                let place = self.devices.iter().position(|name| name == word);
                let number = place.and_then(|place| u16::try_from(place).ok());
                number
                    .map(|number| Value::Device(DeviceId(number)))
                    .ok_or_else(|| wrong(format!("the trace has {}", self.devices.join(", "))))
            }
            Kind::Flag => Err(wrong(format!("write `{}` or `!{}` alone", field.name, field.name))),
            Kind::Number | Kind::Span => Err(wrong("a number is expected".to_owned())),
        }
    }

    fn agree(one: &Counted, left: &Node, other: &Counted, right: &Node) -> Result<(), QueryError> {
        if one.is_span == other.is_span {
            return Ok(());
        }
        let (number, node) = if one.is_span { (other, right) } else { (one, left) };
        let error =
            QueryError::new("a span of time and a number", node.place.clone(), "this is a number");
        Err(match number.number {
            Number::Constant(value) => error.help(format!("a span needs a unit: {value}ms?")),
            _ => error,
        })
    }

    /// A part that is a number.
    fn number(node: &Node) -> Result<Counted, QueryError> {
        match &node.what {
            What::Number(number) => {
                Ok(Counted { number: Number::Constant(*number), is_span: false })
            }
            What::Span(nanos) => Ok(Counted { number: Number::Constant(*nanos), is_span: true }),
            What::Minus(part) => {
                let Counted { number, is_span } = Self::number(part)?;
                let zero = Number::Constant(0);
                Ok(Counted { number: fold(Operator::Minus, zero, number), is_span })
            }
            What::Word(word) => {
                let field = Field::named(word).ok_or_else(|| {
                    if operation(word).is_none() && result(word).is_none() {
                        return Self::unknown(word, node);
                    }
                    let what = format!("`{word}` is no number");
                    QueryError::new(what, node.place.clone(), "a number is expected")
                })?;
                match field.kind {
                    Kind::Number | Kind::Span => Ok(Counted {
                        number: Number::Field(field.get),
                        is_span: field.kind == Kind::Span,
                    }),
                    kind => {
                        let what = format!("`{word}` is {}, not a number", kind.name());
                        Err(QueryError::new(what, node.place.clone(), "a number is expected"))
                    }
                }
            }
            What::Arithmetic(operator, left, right) => {
                Self::arithmetic(*operator, left, right, node)
            }
            _ => Err(QueryError::new("this is no number", node.place.clone(), "it says yes or no")),
        }
    }

    fn arithmetic(
        operator: Operator,
        left: &Node,
        right: &Node,
        node: &Node,
    ) -> Result<Counted, QueryError> {
        let (one, other) = (Self::number(left)?, Self::number(right)?);
        let is_span = match (operator, one.is_span, other.is_span) {
            (Operator::Plus | Operator::Minus | Operator::Modulo, ..) => {
                Self::agree(&one, left, &other, right)?;
                one.is_span
            }
            (Operator::Times, true, true) | (Operator::And, true, _) | (Operator::And, _, true) => {
                return Err(QueryError::new(
                    "spans of time cannot be put together so",
                    node.place.clone(),
                    "one of them must be a number",
                ));
            }
            (Operator::Over, false, true) => {
                return Err(QueryError::new(
                    "a number over a span of time is neither",
                    node.place.clone(),
                    "the other way round?",
                ));
            }
            (Operator::Over, true, true) => false,
            (_, one, other) => one || other,
        };
        if matches!(operator, Operator::Over | Operator::Modulo)
            && other.number == Number::Constant(0)
        {
            return Err(QueryError::new(
                "nothing is divided by zero",
                right.place.clone(),
                "this is zero",
            ));
        }
        Ok(Counted { number: fold(operator, one.number, other.number), is_span })
    }

    fn among(&self, value: &Node, not: bool, items: &Items) -> Result<Test, QueryError> {
        if let What::Word(word) = &value.what
            && let Some(field) = Field::named(word)
            && !matches!(field.kind, Kind::Number | Kind::Span)
        {
            let Items::Set(items) = items else {
                let what = format!("`{word}` is {}, and has no ranges", field.kind.name());
                return Err(QueryError::new(what, value.place.clone(), "use a set: {one, other}"));
            };
            let values = items.iter().map(|item| match item {
                Item::One(node) => self.name(field, node),
                Item::Limits(_) => {
                    let what = format!("`{word}` is {}, and has no ranges", field.kind.name());
                    Err(QueryError::new(what, value.place.clone(), "use names"))
                }
            });
            return Ok(Test::OneOf(field.get, values.collect::<Result<_, _>>()?, not));
        }
        let counted = Self::number(value)?;
        let bounds = match items {
            Items::Limits(limits) => vec![Self::bounds(&counted, value, limits)?],
            Items::Set(items) => items
                .iter()
                .map(|item| match item {
                    Item::Limits(limits) => Self::bounds(&counted, value, limits),
                    Item::One(node) => {
                        let one = Self::number(node)?;
                        Self::agree(&counted, value, &one, node)?;
                        Ok(Bounds::Equal(one.number))
                    }
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(Test::Within(counted.number, bounds, not))
    }

    fn bounds(counted: &Counted, value: &Node, limits: &Limits) -> Result<Bounds, QueryError> {
        let end = |node: &Option<Node>| {
            let Some(node) = node else { return Ok(None) };
            let number = Self::number(node)?;
            Self::agree(counted, value, &number, node)?;
            Ok(Some(number.number))
        };
        Ok(Bounds::Between(end(&limits.low)?, end(&limits.high)?, limits.inclusive))
    }

    /// Whether a request's range and another have anything in common.
    fn overlaps(value: &Node, limits: &Limits) -> Result<Test, QueryError> {
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
        let Bounds::Between(low, high, inclusive) = Self::bounds(&begin, value, limits)? else {
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

fn operation(word: &str) -> Option<Operation> {
    let named = Operation::NAMES.iter().find(|(_, name)| *name == word).map(|(one, _)| *one);
    named.or_else(|| OPERATIONS.iter().find(|(name, _)| *name == word).map(|(_, one)| *one))
}

fn result(word: &str) -> Option<Result<(), Errno>> {
    match word {
        "ok" => Some(Ok(())),
        word => word.starts_with('E').then(|| word.parse().ok().map(Err)).flatten(),
    }
}

/// Two numbers put together: at once, if both are known.
fn fold(operator: Operator, left: Number, right: Number) -> Number {
    if let (Number::Constant(one), Number::Constant(other)) = (&left, &right)
        && let Some(value) = super::filter::compute(operator, *one, *other)
    {
        return Number::Constant(value);
    }
    Number::Arithmetic(operator, Box::new(left), Box::new(right))
}
