//! Counts how often each value of a column comes, on a thread of its own, for as long as anybody wants it.
//!
//! An order in, a table out, first of what was seen so far. Invariants: what is counted of a value is all that came of it; values
//! beyond `KEPT` are counted together and never kept.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::rows::{Row, Rows};
use roaring::RoaringTreemap;

use crate::state::cell::Cell;
use crate::state::value::Value;

/// Values that are kept apart.
const KEPT: usize = 1 << 18;

/// Values that are told.
const TOLD: usize = 10_000;

/// How long is counted before it is told how far it is.
const EVERY: Duration = Duration::from_millis(300);

/// Rows between two looks at whether it is wanted.
const STEP_ROWS: u64 = 4096;

/// What is to be counted.
#[derive(Debug, Clone)]
pub struct Order {
    /// Tells it from others.
    pub number: u64,
    /// The column.
    pub cell: Cell,
    /// The places that are shown; `None` for all.
    pub shown: Option<Arc<RoaringTreemap>>,
}

/// What is known so far.
#[derive(Debug)]
pub struct Told {
    /// The number of the order.
    pub number: u64,
    /// Requests that were looked at.
    pub done: u64,
    /// There is no more to come.
    pub is_done: bool,
    /// Why there is no more, if not because all were looked at.
    pub error: Option<String>,
    /// The counts.
    pub table: Table,
}

/// How often values come.
#[derive(Debug, Default)]
pub struct Table {
    /// The most frequent, those first.
    pub values: Vec<Counted>,
    /// How many values there are beside them, as far as they were kept apart.
    pub other_values: u64,
    /// Requests that have others.
    pub others: u64,
    /// Of these, requests whose values came too late to be kept apart.
    pub unkept: u64,
    /// Requests.
    pub requests: u64,
}

/// A value, and how often it comes.
#[derive(Debug, Clone)]
pub struct Counted {
    /// It.
    pub value: Value,
    /// How often.
    pub count: u64,
    /// One that has it.
    pub row: Row,
}

/// Begins. `tell` says whether anybody still wants to know; `is_wanted` is asked at each step.
pub fn start<R: Read + Seek + Send + 'static>(
    order: Order,
    open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + 'static,
    is_wanted: impl Fn() -> bool + Send + 'static,
    tell: impl Fn(Told) -> bool + Send + 'static,
) {
    thread::spawn(move || {
        let number = order.number;
        let mut rows = match open() {
            Ok(reader) => Rows::new(reader.ahead()),
            Err(error) => {
                let (error, table) = (Some(error.to_string()), Table::default());
                tell(Told { number, done: 0, is_done: true, error, table });
                return;
            }
        };
        let mut counts = Counts::default();
        let (mut done, mut told_at) = (0, Instant::now());
        while is_wanted() {
            let step = counts.step(&order, &mut rows, &mut done);
            let is_done = !matches!(step, Ok(true));
            if !is_done && told_at.elapsed() < EVERY {
                continue;
            }
            let loss = if is_done { rows.loss() } else { None };
            let error = step.err().map(|error| error.to_string());
            let error = error.or_else(|| loss.map(|loss| loss.to_string()));
            let table = counts.table();
            if !tell(Told { number, done, is_done, error, table }) || is_done {
                return;
            }
            told_at = Instant::now();
        }
    });
}

#[derive(Default)]
struct Counts {
    values: HashMap<Value, (u64, Row)>,
    unkept: u64,
    requests: u64,
}

impl Counts {
    /// Counts some; whether there are more.
    fn step(
        &mut self,
        order: &Order,
        rows: &mut Rows<blkreplay_core::format::Ahead>,
        done: &mut u64,
    ) -> Result<bool, ReadError> {
        for _ in 0..STEP_ROWS {
            let Some(row) = rows.next_row()? else { return Ok(false) };
            let place = *done;
            *done += 1;
            if order.shown.as_ref().is_none_or(|shown| shown.contains(place)) {
                self.count(order.cell, row);
            }
        }
        Ok(true)
    }

    fn count(&mut self, cell: Cell, row: Row) {
        self.requests += 1;
        let value = Value::of(cell, &row);
        if let Some((count, _)) = self.values.get_mut(&value) {
            *count += 1;
        } else if self.values.len() < KEPT {
            self.values.insert(value, (1, row));
        } else {
            self.unkept += 1;
        }
    }

    fn table(&self) -> Table {
        let mut all: Vec<(&Value, &(u64, Row))> = self.values.iter().collect();
        let most = |one: &(&Value, &(u64, Row)), other: &(&Value, &(u64, Row))| {
            (other.1.0).cmp(&one.1.0).then_with(|| one.0.cmp(other.0))
        };
        if all.len() > TOLD {
            all.select_nth_unstable_by(TOLD, most);
        }
        let told = all.len().min(TOLD);
        all[..told].sort_unstable_by(most);
        let counted = |(value, (count, row)): &(&Value, &(u64, Row))| Counted {
            value: (*value).clone(),
            count: *count,
            row: row.clone(),
        };
        let values: Vec<Counted> = all[..told].iter().map(counted).collect();
        let others = all[told..].iter().map(|(_, (count, _))| count).sum::<u64>() + self.unkept;
        let other_values = (all.len() - told) as u64;
        Table { values, other_values, others, unkept: self.unkept, requests: self.requests }
    }
}
