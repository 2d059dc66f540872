//! A pair that was compared, as a stream: one object a difference, `blkreplay.difference/1`, then the object of the pair without
//! them. A pair comes in, lines of JSON go out.
//!
//! Invariant: the last line of a pair has its verdict.

use std::io::{self, Write};

use super::Pair;
use super::json::{self, Items};

/// The schema of a difference.
const SCHEMA: &str = "blkreplay.difference/1";

/// Writes the lines of a pair.
pub(crate) fn write(pair: &Pair, out: &mut impl Write) -> io::Result<()> {
    let runs = pair.report().map_or(&[][..], |report| &report.runs);
    for difference in runs.iter().flat_map(|run| &run.kept) {
        let mut line = serde_json::Map::new();
        line.insert("schema".to_owned(), SCHEMA.into());
        if let serde_json::Value::Object(fields) = json::item(difference, pair) {
            line.extend(fields);
        }
        json::line(&line.into(), out)?;
    }
    json::line(&json::object(pair, Items::Left), out)
}
