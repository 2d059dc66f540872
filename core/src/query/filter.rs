//! A filter that was understood, asked of rows.
//!
//! Row in, yes or no out. Invariant: a comparison with what a row does not have is false, and so is one of numbers that are
//! too large to compute.

use std::ops::Range;

use super::check::Checker;
use super::error::QueryError;
use super::field::{Get, Value, get};
use super::parse::parse;
use super::tree::{Node, Operator, Relation, What};
use crate::rows::Row;

/// Which requests are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    text: String,
    /// What all must hold, in order, each with its place in the text.
    terms: Vec<(Test, Range<usize>)>,
}

/// Something that holds for a row, or does not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Or(Vec<Test>),
    And(Vec<Test>),
    Not(Box<Test>),
    Has(Get),
    Compare(Relation, Number, Number),
    /// Whether a field has this value; with true, whether it has another.
    Same(Get, Value, bool),
    OneOf(Get, Vec<Value>, bool),
    Within(Number, Vec<Bounds>, bool),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    Constant(i128),
    Field(Get),
    Arithmetic(Operator, Box<Number>, Box<Number>),
}

/// What a number is to be in. An end that is not there is no bound; the last says whether the upper end belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bounds {
    Equal(Number),
    Between(Option<Number>, Option<Number>, bool),
}

impl Filter {
    /// The filter that `text` says, for a trace with these devices, in their order. An error has its place in the text.
    pub fn parse(text: &str, devices: &[String]) -> Result<Filter, QueryError> {
        let node = parse(text)?;
        let checker = Checker { devices };
        let parts = match node {
            Node { what: What::And(parts), .. } => parts,
            node => vec![node],
        };
        let term = |part: &Node| Ok((checker.test(part)?, part.place.clone()));
        let terms = parts.iter().map(term).collect::<Result<_, QueryError>>()?;
        Ok(Filter { text: text.to_owned(), terms })
    }

    /// Whether a request is meant.
    pub fn matches(&self, row: &Row) -> bool {
        self.refused_by(row).is_none()
    }

    /// The first of the filter's terms that a request fails; `None` if it is meant. Terms are what stands between the
    /// outermost `and`s, counted from 0.
    pub fn refused_by(&self, row: &Row) -> Option<usize> {
        self.terms.iter().position(|(test, _)| !test.holds(row))
    }

    /// The terms as they were written.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = &str> {
        self.terms.iter().map(|(_, place)| self.text.get(place.clone()).unwrap_or(&self.text))
    }
}

impl Test {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Test::Or(tests) => tests.iter().any(|test| test.holds(row)),
            Test::And(tests) => tests.iter().all(|test| test.holds(row)),
            Test::Not(test) => !test.holds(row),
            Test::Has(field) => get(*field, row).is_some(),
            Test::Compare(relation, left, right) => {
                let values = left.of(row).zip(right.of(row));
                values.is_some_and(|(left, right)| match relation {
                    Relation::Equal => left == right,
                    Relation::NotEqual => left != right,
                    Relation::Less => left < right,
                    Relation::LessOrEqual => left <= right,
                    Relation::Greater => left > right,
                    Relation::GreaterOrEqual => left >= right,
                })
            }
            Test::Same(field, wanted, not) => {
                get(*field, row).is_some_and(|found| (found == *wanted) != *not)
            }
            Test::OneOf(field, wanted, not) => {
                get(*field, row).is_some_and(|found| wanted.contains(&found) != *not)
            }
            Test::Within(number, bounds, not) => number
                .of(row)
                .is_some_and(|value| bounds.iter().any(|bounds| bounds.hold(value, row)) != *not),
        }
    }
}

impl Bounds {
    fn hold(&self, value: i128, row: &Row) -> bool {
        match self {
            Bounds::Equal(number) => number.of(row) == Some(value),
            Bounds::Between(low, high, inclusive) => {
                let above = |low: &Number| low.of(row).is_some_and(|low| value >= low);
                let below = |high: &Number| {
                    high.of(row).is_some_and(|high| value < high || (*inclusive && value == high))
                };
                low.as_ref().is_none_or(above) && high.as_ref().is_none_or(below)
            }
        }
    }
}

impl Number {
    fn of(&self, row: &Row) -> Option<i128> {
        match self {
            Number::Constant(value) => Some(*value),
            Number::Field(field) => match get(*field, row)? {
                Value::Number(value) => Some(value),
                _ => None,
            },
            Number::Arithmetic(operator, left, right) => {
                compute(*operator, left.of(row)?, right.of(row)?)
            }
        }
    }
}

/// Two numbers put together; `None` if that is too large, or divided by zero.
pub(super) fn compute(operator: Operator, left: i128, right: i128) -> Option<i128> {
    match operator {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        Operator::Over => left.checked_div(right),
        Operator::Modulo => left.checked_rem(right),
        Operator::And => Some(left & right),
    }
}
