//! A pair that was compared, as a stream: one object a difference, `blkreplay.difference/1`, then the object of the pair without
//! them. A pair comes in, lines of JSON go out.
//!
//! Invariant: the last line of a pair has its verdict.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::json::{self, Items};
use super::{Found, Pair, log_json};

/// The schema of a difference.
const SCHEMA: &str = "blkreplay.difference/1";

/// Writes the lines of a pair.
pub(crate) fn write(pair: &Pair, out: &mut impl Write) -> io::Result<()> {
    match &pair.found {
        Found::Report(report) => {
            let kept = report.runs.iter().flat_map(|run| &run.kept);
            kept.map(|one| json::item(one, pair)).try_for_each(|one| difference(one, out))?;
        }
        Found::Logs(logs) => {
            let kept = logs.report.differences.iter();
            kept.map(|one| log_json::item(one, logs)).try_for_each(|one| difference(one, out))?;
        }
        Found::Only(_) | Found::Trouble(_) => {}
    }
    json::line(&json::object(pair, Items::Left), out)
}

fn difference(item: Value, out: &mut impl Write) -> io::Result<()> {
    let mut line = Map::new();
    line.insert("schema".to_owned(), SCHEMA.into());
    if let Value::Object(fields) = item {
        line.extend(fields);
    }
    json::line(&line.into(), out)
}
