//! Statistics by a field: rows in, a few sums for each value, or for each stretch of values, out.
//!
//! Values are told apart where there are few by nature; spans go by powers of ten; what counts up (times, places, ids, epochs)
//! goes into equal slices. Invariant: no more than `STATS_VALUES_MAX` groups; later values are summed up in `rest`.

use std::collections::BTreeMap;

use super::slices::{Growth, Merge, Slices};
use super::spread::Spread;
use crate::limits::STATS_VALUES_MAX;
use crate::query::{Field, Kind, Value};
use crate::request::Operation;
use crate::rows::Row;

/// What the requests of a group share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// They have nothing in the field.
    Absent,
    /// This value.
    Is(Value),
    /// This text.
    Text(String),
    /// A number from the first up to, but not including, the second.
    From(u64, u64),
}

/// Sums over a group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Requests.
    pub requests: u64,
    /// What they asked for, in bytes.
    pub bytes: u64,
    /// Those that failed.
    pub errors: u64,
    /// From arrival until the image was done; percentiles are good for one part in a hundred.
    pub latency: Spread,
}

impl Default for Group {
    fn default() -> Group {
        Group { requests: 0, bytes: 0, errors: 0, latency: Spread::coarse() }
    }
}

impl Merge for Group {
    fn merge(&mut self, other: Group) {
        self.requests += other.requests;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }
}

impl Group {
    fn add(&mut self, row: &Row) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(row.request.range.length);
        if let Some(end) = &row.completion {
            self.errors += u64::from(end.result.is_err());
            self.latency.add(end.latency.0);
        }
    }
}

/// How the values of a field are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    Values,
    Tens,
    Slices(u64, Growth),
}

fn division(field: &Field) -> Division {
    match (field.name, field.kind) {
        ("t" | "tc", _) => Division::Slices(1_000_000, Growth::Decimal),
        (_, Kind::Span) => Division::Tens,
        ("off" | "end", _) => Division::Slices(4096, Growth::Binary),
        ("lba" | "lba_end", _) => Division::Slices(8, Growth::Binary),
        ("id" | "event" | "epoch" | "step", _) => Division::Slices(1, Growth::Decimal),
        _ => Division::Values,
    }
}

/// Requests by a field.
#[derive(Debug)]
pub struct Groups {
    field: &'static Field,
    division: Division,
    values: BTreeMap<Key, Group>,
    slices: Slices<Group>,
    rest: Group,
}

/// The groups of a field that are told, and the rest.
#[derive(Debug)]
pub struct Largest {
    /// Each with what its requests share: values by their number of requests, stretches in their order.
    pub groups: Vec<(Key, Group)>,
    /// How many values the rest has; `None` if some of them were not told apart.
    pub rest_values: Option<u64>,
    /// All others.
    pub rest: Group,
}

impl Groups {
    /// None yet.
    pub fn by(field: &'static Field) -> Groups {
        let division = division(field);
        let (width, growth) = match division {
            Division::Slices(width, growth) => (width, growth),
            _ => (1, Growth::Binary),
        };
        let slices = Slices::new(width, growth);
        Groups { field, division, values: BTreeMap::new(), slices, rest: Group::default() }
    }

    /// The field.
    pub fn field(&self) -> &'static Field {
        self.field
    }

    fn value(&self, row: &Row) -> Option<Value> {
        let has_none = row.request.operation == Operation::Flush && self.field.is_of_range();
        self.field.of(row).filter(|_| !has_none)
    }

    /// Takes a request.
    pub fn add(&mut self, row: &Row) {
        let key = match (self.value(row), self.division) {
            (None, _) if let Some(text) = self.field.text(row) => Key::Text(text),
            (None, _) => Key::Absent,
            (Some(Value::Number(number)), Division::Slices(..)) => {
                let place = u64::try_from(number).unwrap_or(if number < 0 { 0 } else { u64::MAX });
                self.slices.at(place).add(row);
                return;
            }
            (Some(Value::Number(number)), Division::Tens) => ten(number),
            (Some(value), _) => Key::Is(value),
        };
        let has_room = self.values.len() < STATS_VALUES_MAX;
        match self.values.get_mut(&key) {
            Some(group) => group.add(row),
            None if has_room => self.values.entry(key).or_default().add(row),
            None => self.rest.add(row),
        }
    }

    /// The `limit` largest groups.
    pub fn largest(self, limit: usize) -> Largest {
        let width = self.slices.width();
        let slices = self.slices.iter();
        let slices = slices
            .map(|(from, group)| (Key::From(from, from.saturating_add(width)), group.clone()));
        let mut groups: Vec<_> = self.values.into_iter().chain(slices).collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.requests));
        let left = groups.split_off(limit.min(groups.len()));
        let told_apart = self.rest.requests == 0;
        let mut rest = self.rest;
        let rest_values = told_apart.then_some(left.len() as u64);
        for (_, group) in left {
            rest.merge(group);
        }
        if self.division != Division::Values {
            groups.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        Largest { groups, rest_values, rest }
    }
}

/// The power of ten in which a number of nanoseconds lies.
fn ten(number: i128) -> Key {
    let number = u64::try_from(number).unwrap_or(0);
    match number.checked_ilog10() {
        None => Key::From(0, 1),
        Some(power) => {
            let from = 10_u64.pow(power);
            Key::From(from, from.saturating_mul(10))
        }
    }
}
