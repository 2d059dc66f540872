//! A filter that was understood, asked of rows.
//!
//! Row in, yes or no out. Invariant: a comparison with what a row does not have is false, and so is one of numbers that are
//! too large to compute.

use std::ops::Range;

use super::asked::Asked;
use super::check::{Checker, Surroundings};
use super::content::{Content, Like};
use super::error::QueryError;
use super::field::{Get, Value};
use super::lex::words;
use super::parse::parse;
use super::totals::{Aggregate, Totals};
use super::tree::{Node, Operator, Relation, What};
use crate::event::MarkName;
use crate::format::Header;
use crate::units::Nanos;

/// Which requests are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    text: String,
    /// What all must hold, in order, each with its place in the text.
    pub(super) terms: Vec<(Test, Range<usize>)>,
    /// What is asked of all requests.
    pub(super) aggregates: Vec<Aggregate>,
    /// Marks whose times are asked for, each with its place in the text.
    marks: Vec<(MarkName, Range<usize>)>,
}

/// What a filter takes beside rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says what one has to do")]
pub struct Needs {
    /// All rows once before: [`Filter::first_pass`] and [`Filter::settle`].
    pub first_pass: bool,
    /// Times of marks: [`Filter::marks`] and [`Filter::settle_marks`].
    pub marks: bool,
    /// Data of requests: [`Asked::with_data`].
    pub data: bool,
    /// Rows that know what came before them, so all from the beginning of the trace on.
    pub context: bool,
    /// Rows that know which reads are of ranges that were never written.
    pub written: bool,
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
    /// Whether bytes are like this; with true, whether they are not.
    Content(Content, Like, bool),
    /// Whether there are such bytes.
    HasContent(Content),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    Constant(i128),
    Field(Get),
    Arithmetic(Operator, Box<Number>, Box<Number>),
    Absolute(Box<Number>),
    Least(Vec<Number>),
    Greatest(Vec<Number>),
    /// One byte of the data.
    Byte(u64),
    Crc32(Content),
    /// What a first pass says: the aggregate at this place.
    Total(usize),
    /// The time of the mark at this place.
    Mark(usize),
    /// A number that nobody has.
    Missing,
}

/// What a number is to be in. An end that is not there is no bound; the last says whether the upper end belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bounds {
    Equal(Number),
    Between(Option<Number>, Option<Number>, bool),
}

impl Filter {
    /// The filter that `text` says, for a trace with these devices, in their order, whose time of the day is not known. An
    /// error has its place in the text.
    pub fn parse(text: &str, devices: &[String]) -> Result<Filter, QueryError> {
        Filter::checked(text, &Surroundings { devices, wall_clock_ns: None })
    }

    /// The filter that `text` says, for the trace with this header. An error has its place in the text.
    pub fn of(text: &str, header: &Header) -> Result<Filter, QueryError> {
        let devices: Vec<_> = header.devices.iter().map(|device| device.name.clone()).collect();
        let wall_clock_ns = Some(header.wall_clock_ns);
        Filter::checked(text, &Surroundings { devices: &devices, wall_clock_ns })
    }

    /// The filter that `text` says wherever devices have the names that are in it: to know whether it is one, before there is
    /// a trace.
    pub fn anywhere(text: &str) -> Result<Filter, QueryError> {
        let devices = words(text)?;
        Filter::checked(text, &Surroundings { devices: &devices, wall_clock_ns: Some(0) })
    }

    fn checked(text: &str, surroundings: &Surroundings<'_>) -> Result<Filter, QueryError> {
        let node = parse(text)?;
        let checker = Checker::new(surroundings);
        let parts = match node {
            Node { what: What::And(parts), .. } => parts,
            node => vec![node],
        };
        let term = |part: &Node| Ok((checker.test(part)?, part.place.clone()));
        let terms = parts.iter().map(term).collect::<Result<_, QueryError>>()?;
        let (aggregates, marks) = checker.gathered();
        Ok(Filter::made(text, terms, aggregates, marks))
    }

    /// What was checked already.
    pub(super) fn made(
        text: &str,
        terms: Vec<(Test, Range<usize>)>,
        aggregates: Vec<Aggregate>,
        marks: Vec<(MarkName, Range<usize>)>,
    ) -> Filter {
        Filter { text: text.to_owned(), terms, aggregates, marks }
    }

    /// What it takes beside rows to say which of them are meant.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs {
            first_pass: !self.aggregates.is_empty(),
            marks: !self.marks.is_empty(),
            ..Needs::default()
        };
        let ofs = self.aggregates.iter().flat_map(Aggregate::tests);
        for test in self.terms.iter().map(|(test, _)| test).chain(ofs) {
            test.add_needs(&mut needs);
        }
        for number in self.aggregates.iter().filter_map(|aggregate| aggregate.number.as_ref()) {
            number.add_needs(&mut needs);
        }
        needs
    }

    /// What is gathered of all rows before the filter can be asked: hand them to [`Totals::add`], then the totals to
    /// [`Filter::settle`].
    pub fn first_pass(&self) -> Totals {
        Totals::of(&self.aggregates)
    }

    /// Takes what all rows say together. Before, what compares with it holds for none.
    pub fn settle(&mut self, totals: &Totals) {
        self.replace(&mut |number| {
            if let Number::Total(place) = number {
                *number = totals.value(*place).map_or(Number::Missing, Number::Constant);
            }
        });
        self.aggregates.clear();
    }

    /// The marks whose times it must know.
    pub fn marks(&self) -> impl Iterator<Item = &MarkName> {
        self.marks.iter().map(|(name, _)| name)
    }

    /// Takes the times of marks, in the order of [`Filter::marks`]: of each the first that has its name. An error has its
    /// place in the text.
    pub fn settle_marks(&mut self, times: &[Option<Nanos>]) -> Result<(), QueryError> {
        let time = |place: usize| times.get(place).copied().flatten();
        for (place, (name, at)) in self.marks.iter().enumerate() {
            if time(place).is_none() {
                let what = format!("the trace has no mark `{name}`");
                return Err(QueryError::new(what, at.clone(), "not there")
                    .help("blkreplay print TRACE --events  shows those that are there"));
            }
        }
        self.replace(&mut |number| {
            if let Number::Mark(place) = number {
                let time = time(*place).map(|time| i128::from(time.0));
                *number = time.map_or(Number::Missing, Number::Constant);
            }
        });
        self.marks.clear();
        Ok(())
    }

    /// Calls `with` for each number, innermost first, and computes what has become known.
    fn replace(&mut self, with: &mut dyn FnMut(&mut Number)) {
        for (test, _) in &mut self.terms {
            test.replace(with);
        }
        for aggregate in &mut self.aggregates {
            aggregate.replace(with);
        }
    }

    /// Whether a request is meant.
    pub fn matches<'a>(&self, request: impl Into<Asked<'a>>) -> bool {
        self.refused_by(request).is_none()
    }

    /// The first of the filter's terms that a request fails; `None` if it is meant. Terms are what stands between the
    /// outermost `and`s, counted from 0.
    pub fn refused_by<'a>(&self, request: impl Into<Asked<'a>>) -> Option<usize> {
        self.refused(&request.into())
    }

    /// As [`Filter::refused_by`], of a request that is looked at again afterwards.
    pub fn refused(&self, request: &Asked<'_>) -> Option<usize> {
        self.terms.iter().position(|(test, _)| !test.holds(request))
    }

    /// The terms as they were written.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = &str> {
        self.terms.iter().map(|(_, place)| self.text.get(place.clone()).unwrap_or(&self.text))
    }
}
