//! What a filter or a metric asks of requests: the fields that are named in it, and whether clocks decide what it says.
//!
//! Tests and numbers in, fields out. Invariant: a field that can change what is said is among them.

use super::content::Content;
use super::field::{FIELDS, Field, Get};
use super::filter::{Bounds, Filter, Number, Test};
use super::function::Statistic;
use super::totals::Aggregate;

impl Filter {
    /// The fields that it asks for, some of them more than once.
    pub fn fields(&self) -> Vec<&'static Field> {
        let mut gets = Vec::new();
        let aggregates = self.aggregates.iter();
        let tests = self.terms.iter().map(|(test, _)| test);
        tests.chain(self.aggregates.iter().filter_map(|one| one.of.as_ref())).for_each(|test| {
            test.gets(&mut |get| gets.push(get));
        });
        let numbers = aggregates.filter_map(|aggregate| aggregate.number.as_ref());
        numbers.for_each(|number| number.gets(&mut |get| gets.push(get)));
        FIELDS.iter().filter(|field| gets.contains(&field.get)).collect()
    }

    /// Whether what it says depends on when things happened, so that two runs of the same work differ in it.
    pub fn depends_on_time(&self) -> bool {
        let rate = |aggregate: &Aggregate| aggregate.statistic == Statistic::Rate;
        self.marks().next().is_some()
            || self.aggregates.iter().any(rate)
            || self.fields().into_iter().any(Field::is_timing)
    }
}

impl Field {
    /// Whether clocks decide what it says.
    pub fn is_timing(&self) -> bool {
        use Get::{Completed, Depth, Early, Gap, Hold, Latency, Step, Time};
        matches!(self.get, Time | Completed | Latency | Hold | Early | Gap | Depth | Step)
    }
}

impl Test {
    fn gets(&self, with: &mut dyn FnMut(Get)) {
        match self {
            Test::Or(tests) | Test::And(tests) => {
                for test in tests {
                    test.gets(with);
                }
            }
            Test::Not(test) => test.gets(with),
            Test::Has(get) | Test::Same(get, ..) | Test::OneOf(get, ..) => with(*get),
            Test::Compare(_, left, right) => {
                left.gets(with);
                right.gets(with);
            }
            Test::Within(number, bounds, _) => {
                number.gets(with);
                let numbers = bounds.iter().flat_map(Bounds::numbers);
                numbers.for_each(|number| number.gets(with));
            }
            Test::Content(content, ..) | Test::HasContent(content) => with(content.get()),
        }
    }
}

impl Number {
    fn gets(&self, with: &mut dyn FnMut(Get)) {
        match self {
            Number::Field(get) => with(*get),
            Number::Arithmetic(_, left, right) => {
                left.gets(with);
                right.gets(with);
            }
            Number::Absolute(number) => number.gets(with),
            Number::Least(numbers) | Number::Greatest(numbers) => {
                for number in numbers {
                    number.gets(with);
                }
            }
            Number::Byte(_) => with(Get::Payload),
            Number::Crc32(content) => with(content.get()),
            Number::Constant(_) | Number::Total(_) | Number::Mark(_) | Number::Missing => {}
        }
    }

    /// Whether one request says it, rather than all together.
    pub(super) fn is_of_one(&self) -> bool {
        let mut asks = false;
        self.gets(&mut |_| asks = true);
        asks
    }
}

impl Content {
    fn get(self) -> Get {
        match self {
            Content::Data(_) => Get::Payload,
            Content::Digest | Content::DigestOf(_) => Get::Hash,
            Content::Note => Get::Note,
        }
    }
}
