//! A trace as `print --json` tells it: one row a request. A file comes in, rows and their sums go out.
//!
//! Invariant: a [`Trace`] is whole; each id from 0 on is there once and has been answered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::support::Sandbox;

/// The requests of a trace, in the order of their ids.
pub(crate) struct Trace {
    pub(crate) rows: Vec<Row>,
}

/// One request with its completion.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) dev: String,
    pub(crate) conn: u64,
    pub(crate) op: String,
    #[serde(default)]
    pub(crate) off: u64,
    #[serde(default)]
    pub(crate) len: u64,
    #[serde(default)]
    pub(crate) flags: Vec<String>,
    pub(crate) t: u64,
    pub(crate) result: Option<String>,
    pub(crate) payload: Option<String>,
}

impl Trace {
    /// Reads a trace that must be whole.
    #[track_caller]
    pub(crate) fn whole(sandbox: &Sandbox, name: &str) -> Trace {
        let printed = sandbox.blkreplay(&format!("print {name} --json")).finish().succeeds();
        let trace = Trace { rows: rows(&printed.stdout) };
        for (index, row) in trace.rows.iter().enumerate() {
            assert_eq!(row.id, index as u64, "{name}: ids count up from 0 without a gap: {row:?}");
            assert!(row.result.is_some(), "{name}: every request was answered: {row:?}");
        }
        trace
    }

    /// The requests of one operation.
    pub(crate) fn of<'a>(&'a self, op: &'a str) -> impl Iterator<Item = &'a Row> + 'a {
        self.rows.iter().filter(move |row| row.op == op)
    }

    /// How many requests of one operation there are.
    pub(crate) fn count(&self, op: &str) -> u64 {
        self.of(op).count() as u64
    }

    /// How many bytes the requests of one operation cover, each counted as often as it was asked for.
    pub(crate) fn bytes(&self, op: &str) -> u64 {
        self.of(op).map(|row| row.len).sum()
    }

    /// The connections that sent requests of one operation.
    pub(crate) fn connections(&self, op: &str) -> BTreeSet<u64> {
        self.of(op).map(|row| row.conn).collect()
    }

    /// Whether all requests went well.
    pub(crate) fn failures(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.result.as_deref() != Some("ok")).collect()
    }

    /// How often each request was made, whatever the order.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::new();
        for row in &self.rows {
            let durable = row.flags.iter().any(|flag| flag == "fua");
            *tally.entry((row.op.clone(), row.off, row.len, durable)).or_default() += 1;
        }
        tally
    }
}

/// How often each (operation, offset, length, FUA) was asked for.
pub(crate) type Tally = BTreeMap<(String, u64, u64, bool), u64>;

/// The rows of `print --json`, whole trace or not.
#[track_caller]
pub(crate) fn rows(printed: &str) -> Vec<Row> {
    let parse = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["schema"], "blkreplay.request/1", "{line}");
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    printed.lines().map(parse).collect()
}
