//! Tests and numbers, asked of one row.
//!
//! Row in, yes or no or a number out. Invariant: what a row does not have is no number, and compares with nothing.

use super::asked::Asked;
use super::content::Content;
use super::field::{Get, Value, get};
use super::filter::{Bounds, Needs, Number, Test};
use super::tree::{Operator, Part};

impl Test {
    pub(super) fn holds(&self, asked: &Asked<'_>) -> bool {
        match self {
            Test::Or(tests) => tests.iter().any(|test| test.holds(asked)),
            Test::And(tests) => tests.iter().all(|test| test.holds(asked)),
            Test::Not(test) => !test.holds(asked),
            Test::Has(field) => get(*field, asked.row).is_some(),
            Test::Compare(relation, left, right) => {
                let values = left.of(asked).zip(right.of(asked));
                values.is_some_and(|(left, right)| relation.holds(left, right))
            }
            Test::Same(field, wanted, not) => {
                get(*field, asked.row).is_some_and(|found| (found == *wanted) != *not)
            }
            Test::OneOf(field, wanted, not) => {
                get(*field, asked.row).is_some_and(|found| wanted.contains(&found) != *not)
            }
            Test::Within(number, bounds, not) => number
                .of(asked)
                .is_some_and(|value| bounds.iter().any(|bounds| bounds.hold(value, asked)) != *not),
            Test::Content(content, like, not) => {
                content.of(asked).is_some_and(|bytes| like.holds(&bytes) != *not)
            }
            Test::HasContent(content) => content.is_there(asked),
        }
    }

    pub(super) fn add_needs(&self, needs: &mut Needs) {
        match self {
            Test::Or(tests) | Test::And(tests) => {
                for test in tests {
                    test.add_needs(needs);
                }
            }
            Test::Not(test) => test.add_needs(needs),
            Test::Has(field) | Test::Same(field, ..) | Test::OneOf(field, ..) => {
                field.add_needs(needs);
            }
            Test::Compare(_, left, right) => {
                left.add_needs(needs);
                right.add_needs(needs);
            }
            Test::Within(number, bounds, _) => {
                number.add_needs(needs);
                let numbers = bounds.iter().flat_map(Bounds::numbers);
                numbers.for_each(|number| number.add_needs(needs));
            }
            Test::HasContent(Content::Data(Part::ALL)) => {}
            Test::Content(content, ..) | Test::HasContent(content) => content.add_needs(needs),
        }
    }

    pub(super) fn replace(&mut self, with: &mut dyn FnMut(&mut Number)) {
        match self {
            Test::Or(tests) | Test::And(tests) => {
                for test in tests {
                    test.replace(with);
                }
            }
            Test::Not(test) => test.replace(with),
            Test::Compare(_, left, right) => {
                left.replace(with);
                right.replace(with);
            }
            Test::Within(number, bounds, _) => {
                number.replace(with);
                for bounds in bounds {
                    match bounds {
                        Bounds::Equal(number) => number.replace(with),
                        Bounds::Between(low, high, _) => {
                            low.iter_mut().chain(high).for_each(|number| number.replace(with));
                        }
                    }
                }
            }
            Test::Has(_)
            | Test::Same(..)
            | Test::OneOf(..)
            | Test::Content(..)
            | Test::HasContent(_) => {}
        }
    }
}

impl Bounds {
    fn hold(&self, value: i128, asked: &Asked<'_>) -> bool {
        match self {
            Bounds::Equal(number) => number.of(asked) == Some(value),
            Bounds::Between(low, high, inclusive) => {
                let above = |low: &Number| low.of(asked).is_some_and(|low| value >= low);
                let below = |high: &Number| {
                    let high = high.of(asked);
                    high.is_some_and(|high| value < high || (*inclusive && value == high))
                };
                low.as_ref().is_none_or(above) && high.as_ref().is_none_or(below)
            }
        }
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = &Number> {
        let (one, other) = match self {
            Bounds::Equal(number) => (Some(number), None),
            Bounds::Between(low, high, _) => (low.as_ref(), high.as_ref()),
        };
        one.into_iter().chain(other)
    }
}

impl Number {
    pub(super) fn of(&self, asked: &Asked<'_>) -> Option<i128> {
        match self {
            Number::Constant(value) => Some(*value),
            Number::Field(field) => match get(*field, asked.row)? {
                Value::Number(value) => Some(value),
                _ => None,
            },
            Number::Arithmetic(operator, left, right) => {
                compute(*operator, left.of(asked)?, right.of(asked)?)
            }
            Number::Absolute(number) => number.of(asked)?.checked_abs(),
            // Of what is not all there, there is no least.
            Number::Least(numbers) => {
                let values: Option<Vec<i128>> =
                    numbers.iter().map(|number| number.of(asked)).collect();
                values?.into_iter().min()
            }
            Number::Greatest(numbers) => {
                let values: Option<Vec<i128>> =
                    numbers.iter().map(|number| number.of(asked)).collect();
                values?.into_iter().max()
            }
            Number::Byte(place) => {
                let bytes = Part::One(*place).of(asked.data()?)?;
                bytes.first().map(|byte| i128::from(*byte))
            }
            Number::Crc32(content) => Some(crc32fast::hash(&content.of(asked)?).into()),
            Number::Total(_) | Number::Mark(_) | Number::Missing => None,
        }
    }

    pub(super) fn add_needs(&self, needs: &mut Needs) {
        match self {
            Number::Field(field) => field.add_needs(needs),
            Number::Arithmetic(_, left, right) => {
                left.add_needs(needs);
                right.add_needs(needs);
            }
            Number::Absolute(number) => number.add_needs(needs),
            Number::Least(numbers) | Number::Greatest(numbers) => {
                for number in numbers {
                    number.add_needs(needs);
                }
            }
            Number::Byte(_) => needs.data = true,
            Number::Crc32(content) => content.add_needs(needs),
            Number::Constant(_) | Number::Total(_) | Number::Mark(_) | Number::Missing => {}
        }
    }

    pub(super) fn replace(&mut self, with: &mut dyn FnMut(&mut Number)) {
        match self {
            Number::Arithmetic(_, left, right) => {
                left.replace(with);
                right.replace(with);
            }
            Number::Absolute(number) => number.replace(with),
            Number::Least(numbers) | Number::Greatest(numbers) => {
                for number in numbers {
                    number.replace(with);
                }
            }
            _ => {}
        }
        with(self);
        if let Some(value) = self.known() {
            *self = Number::Constant(value);
        }
    }

    /// What it is for every row, if that is known.
    pub(super) fn known(&self) -> Option<i128> {
        let all =
            |numbers: &[Number]| numbers.iter().map(Number::known).collect::<Option<Vec<_>>>();
        match self {
            Number::Constant(value) => Some(*value),
            Number::Arithmetic(operator, left, right) => {
                compute(*operator, left.known()?, right.known()?)
            }
            Number::Absolute(number) => number.known()?.checked_abs(),
            Number::Least(numbers) => all(numbers)?.into_iter().min(),
            Number::Greatest(numbers) => all(numbers)?.into_iter().max(),
            _ => None,
        }
    }
}

impl Content {
    fn add_needs(&self, needs: &mut Needs) {
        match self {
            Content::Data(_) | Content::DigestOf(_) => needs.data = true,
            Content::Note => needs.context = true,
            Content::Digest => {}
        }
    }
}

impl Get {
    pub(super) fn add_needs(self, needs: &mut Needs) {
        match self {
            Get::Step
            | Get::Depth
            | Get::Gap
            | Get::Seek
            | Get::Sequential
            | Get::Mark
            | Get::Note => needs.context = true,
            Get::NeverWritten => {
                needs.context = true;
                needs.written = true;
            }
            // All else is in the request, or a reader knows it wherever it begins.
            _ => {}
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
