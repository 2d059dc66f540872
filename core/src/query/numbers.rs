//! Parts of a tree that are numbers: fields, arithmetic, functions.
//!
//! Tree in, numbers out. Invariant: spans of time and other numbers are told apart, and what is known is computed.

use super::check::Checker;
use super::content::Content;
use super::error::QueryError;
use super::field::{Field, Kind};
use super::filter::{Number, Test};
use super::function::{FUNCTIONS, Function, Of, Statistic};
use super::names;
use super::quantity::PERCENT;
use super::totals::Aggregate;
use super::tree::{Call, Node, Operator, Part, What};

/// Different functions over all requests that a filter has at most: each keeps values, 4 MiB of them at most.
const AGGREGATES_MAX: usize = 16;

/// A part that has a number, and whether that is a span.
pub(super) struct Counted {
    pub(super) number: Number,
    pub(super) is_span: bool,
}

impl Counted {
    fn constant(value: i128, is_span: bool) -> Counted {
        Counted { number: Number::Constant(value), is_span }
    }

    fn plain(number: Number) -> Counted {
        Counted { number: folded(number), is_span: false }
    }
}

impl Checker<'_> {
    pub(super) fn agree(
        one: &Counted,
        left: &Node,
        other: &Counted,
        right: &Node,
    ) -> Result<(), QueryError> {
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
    pub(super) fn number(&self, node: &Node) -> Result<Counted, QueryError> {
        match &node.what {
            What::Number(number) => Ok(Counted::constant(*number, false)),
            What::Span(nanos) => Ok(Counted::constant(*nanos, true)),
            What::Percent(_) => Err(QueryError::new(
                "a part of a hundred is not a number",
                node.place.clone(),
                "of what?",
            )
            .help(format!("{} * max(lat)", short(node)))),
            What::Minus(part) => {
                let Counted { number, is_span } = self.number(part)?;
                let zero = Box::new(Number::Constant(0));
                let number = Number::Arithmetic(Operator::Minus, zero, Box::new(number));
                Ok(Counted { number: folded(number), is_span })
            }
            What::Word(word) => Self::number_field(word, node),
            What::Arithmetic(operator, left, right) => {
                self.arithmetic(*operator, left, right, node)
            }
            What::Call(call) => self.call(call, node),
            What::Part(value, Part::One(place)) => {
                match self.content_of(value)? {
                    Some(Content::Data(Part::ALL)) => {}
                    _ => return Err(no_bytes(value)),
                }
                Ok(Counted { number: Number::Byte(*place), is_span: false })
            }
            What::Mark(name) => self.mark(name, node),
            What::Clock(nanos) => self.clock(*nanos, node),
            What::Text(_) | What::Bytes(_) | What::Part(..) | What::Pattern(_) => {
                let error = QueryError::new(
                    "this is no number",
                    node.place.clone(),
                    "a number is expected",
                );
                Err(match &node.what {
                    What::Text(_) => error.help("numbers stand without quotes"),
                    _ => error,
                })
            }
            _ => Err(QueryError::new("this is no number", node.place.clone(), "it says yes or no")),
        }
    }

    fn number_field(word: &str, node: &Node) -> Result<Counted, QueryError> {
        let field = Field::named(word).ok_or_else(|| {
            if names::operation(word).is_none() && names::result(word).is_none() {
                return names::unknown(word, node);
            }
            let what = format!("`{word}` is no number");
            QueryError::new(what, node.place.clone(), "a number is expected")
        })?;
        match field.kind {
            Kind::Number | Kind::Span => {
                Ok(Counted { number: Number::Field(field.get), is_span: field.kind == Kind::Span })
            }
            kind => {
                let what = format!("`{word}` is {}, not a number", kind.name());
                Err(QueryError::new(what, node.place.clone(), "a number is expected"))
            }
        }
    }

    /// The time of a mark, which is not known yet.
    fn mark(&self, name: &str, node: &Node) -> Result<Counted, QueryError> {
        let name = name.parse().map_err(|error| {
            QueryError::new(format!("{error}"), node.place.clone(), "no mark is called so")
        })?;
        let mut marks = self.marks.borrow_mut();
        let place = marks.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            marks.push((name, node.place.clone()));
            marks.len() - 1
        });
        Ok(Counted { number: Number::Mark(place), is_span: true })
    }

    /// A time of the day on which the recording began, in UTC, as a time of the recording.
    fn clock(&self, nanos: i128, node: &Node) -> Result<Counted, QueryError> {
        const DAY_NS: u64 = 86_400_000_000_000;
        let Some(began) = self.surroundings.wall_clock_ns else {
            let what = "the time of the day is not known here";
            return Err(QueryError::new(what, node.place.clone(), "use a time of the recording"));
        };
        Ok(Counted::constant(nanos - i128::from(began % DAY_NS), true))
    }

    fn arithmetic(
        &self,
        operator: Operator,
        left: &Node,
        right: &Node,
        node: &Node,
    ) -> Result<Counted, QueryError> {
        if operator == Operator::Times {
            for (percent, other) in [(left, right), (right, left)] {
                if let What::Percent(parts) = percent.what {
                    return Ok(part_of(parts, self.number(other)?));
                }
            }
        }
        let (one, other) = (self.number(left)?, self.number(right)?);
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
        let number = Number::Arithmetic(operator, Box::new(one.number), Box::new(other.number));
        Ok(Counted { number: folded(number), is_span })
    }

    /// What a function says, as a number.
    fn call(&self, call: &Call, node: &Node) -> Result<Counted, QueryError> {
        let function = function(call, node)?;
        if let Of::All(statistic) = function.of {
            return self.aggregate(statistic, call, node);
        }
        let several = |numbers: fn(Vec<Number>) -> Number| {
            let counted = call
                .arguments
                .iter()
                .map(|argument| self.number(argument))
                .collect::<Result<Vec<_>, _>>()?;
            let is_span = counted[0].is_span;
            for (other, argument) in counted.iter().zip(&call.arguments) {
                Self::agree(&counted[0], &call.arguments[0], other, argument)?;
            }
            let all = counted.into_iter().map(|counted| counted.number).collect();
            Ok(Counted { number: folded(numbers(all)), is_span })
        };
        match function.of {
            Of::Least => several(Number::Least),
            Of::Greatest => several(Number::Greatest),
            Of::Absolute => {
                let Counted { number, is_span } = self.number(&call.arguments[0])?;
                Ok(Counted { number: folded(Number::Absolute(Box::new(number))), is_span })
            }
            Of::Crc32 => match &call.arguments[0].what {
                What::Text(bytes) | What::Bytes(bytes) => {
                    Ok(Counted::constant(crc32fast::hash(bytes).into(), false))
                }
                _ => Ok(Counted::plain(Number::Crc32(self.content(&call.arguments[0])?))),
            },
            Of::Hash | Of::Has | Of::All(_) => {
                let what = format!("`{}` is no number", call.name);
                Err(QueryError::new(what, node.place.clone(), "a number is expected"))
            }
        }
    }

    /// What a function says of all requests.
    fn aggregate(
        &self,
        statistic: Statistic,
        call: &Call,
        node: &Node,
    ) -> Result<Counted, QueryError> {
        if self.inside.replace(true) {
            self.inside.set(false);
            let what = "a function over all requests is inside of another";
            return Err(QueryError::new(what, node.place.clone(), "it takes a pass of its own"));
        }
        let aggregate = self.aggregate_inside(statistic, call);
        self.inside.set(false);
        let (aggregate, is_span) = aggregate?;
        let mut aggregates = self.aggregates.borrow_mut();
        if let Some(place) = aggregates.iter().position(|known| *known == aggregate) {
            return Ok(Counted { number: Number::Total(place), is_span });
        }
        if aggregates.len() == AGGREGATES_MAX {
            let what = format!("more than {AGGREGATES_MAX} functions over all requests");
            return Err(QueryError::new(what, node.place.clone(), "one too many"));
        }
        aggregates.push(aggregate);
        Ok(Counted { number: Number::Total(aggregates.len() - 1), is_span })
    }

    fn aggregate_inside(
        &self,
        statistic: Statistic,
        call: &Call,
    ) -> Result<(Aggregate, bool), QueryError> {
        let mut tests = Vec::new();
        let mut counted = None;
        if let Some(argument) = call.arguments.first() {
            let is_test = match statistic {
                Statistic::Count => true,
                Statistic::Rate => says_yes_or_no(argument),
                _ => false,
            };
            if is_test {
                tests.push(self.test(argument)?);
            } else {
                let number = self.number(argument)?;
                if statistic == Statistic::Rate && number.is_span {
                    let what = "a span of time a second is neither";
                    return Err(QueryError::new(
                        what,
                        argument.place.clone(),
                        "a test or a number is expected",
                    ));
                }
                counted = Some(number);
            }
        }
        if let Some(of) = &call.of {
            tests.push(self.test(of)?);
        }
        let of = match tests.len() {
            0 => None,
            1 => tests.pop(),
            _ => Some(Test::And(tests)),
        };
        let counts = matches!(statistic, Statistic::Count | Statistic::Rate);
        let is_span = !counts && counted.as_ref().is_some_and(|counted| counted.is_span);
        let number = counted.map(|counted| counted.number);
        Ok((Aggregate { statistic, number, of }, is_span))
    }
}

/// The function that a call means.
fn function(call: &Call, node: &Node) -> Result<&'static Function, QueryError> {
    let Some(first) = Function::named(&call.name).next() else {
        let what = format!("`{}` is no function", call.name);
        let place = node.place.start..node.place.start + call.name.len();
        let known = FUNCTIONS.iter().map(|function| function.name);
        let label = match names::nearest(&call.name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "not known".to_owned(),
        };
        return Err(
            QueryError::new(what, place, label).help("blkreplay help filter  lists the functions")
        );
    };
    let count = call.arguments.len();
    let fits = |function: &&Function| match function.of {
        Of::Has | Of::Absolute | Of::Hash | Of::Crc32 => count == 1 && call.of.is_none(),
        Of::Least | Of::Greatest => count > 1 && call.of.is_none(),
        Of::All(Statistic::Count | Statistic::Rate) => count < 2,
        Of::All(_) => count == 1,
    };
    Function::named(&call.name).find(fits).ok_or_else(|| {
        let forms: Vec<_> = Function::named(&call.name).map(|function| function.form).collect();
        let what = match &call.of {
            Some(_) if !first.over_all && count > 0 => {
                format!("`{}` of these has no `where`", call.name)
            }
            _ => format!("`{}` takes other things", call.name),
        };
        QueryError::new(what, node.place.clone(), format!("expected {}", forms.join(" or ")))
    })
}

/// Whether a part is a test rather than a number.
fn says_yes_or_no(node: &Node) -> bool {
    match &node.what {
        What::Word(word) => {
            Field::named(word).is_none_or(|field| !matches!(field.kind, Kind::Number | Kind::Span))
        }
        What::Or(_)
        | What::And(_)
        | What::Not(_)
        | What::Compare(..)
        | What::In { .. }
        | What::Overlaps(..)
        | What::Contains(..)
        | What::Matches(..)
        | What::Has(_) => true,
        _ => false,
    }
}

/// So many billionths of a percent of a number.
fn part_of(parts: i128, whole: Counted) -> Counted {
    let (mut parts, mut all) = (parts, 100 * PERCENT);
    while parts % 10 == 0 && all % 10 == 0 && all > 1 {
        (parts, all) = (parts / 10, all / 10);
    }
    let times = Number::Arithmetic(
        Operator::Times,
        Box::new(whole.number),
        Box::new(Number::Constant(parts)),
    );
    let number =
        Number::Arithmetic(Operator::Over, Box::new(times), Box::new(Number::Constant(all)));
    Counted { number: folded(number), is_span: whole.is_span }
}

/// A part of a hundred without the digits that say nothing.
fn short(node: &Node) -> String {
    let text = node.to_string();
    let number = text.trim_end_matches('%').trim_end_matches('0').trim_end_matches('.');
    format!("{number}%")
}

/// A part is no bytes.
pub(super) fn no_bytes(node: &Node) -> QueryError {
    let what = format!("`{node}` has no bytes");
    QueryError::new(what, node.place.clone(), "payload is expected")
}

/// A number, computed if it is known.
fn folded(number: Number) -> Number {
    number.known().map_or(number, Number::Constant)
}
