//! Tells the requests that a filter means by looking for them in columns, where that can be done. A path and a filter in, rows
//! out, one after another.
//!
//! How they are found is core's. Invariant: what is told are the first of those that going over all requests tells; if it says
//! so, all of them.

use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::format::Loss;
use blkreplay_core::query::Found;
use blkreplay_core::rows::Row;

use crate::chosen::Chosen;
use crate::lines::Stop;
use crate::printer::Output;
use crate::trace;

/// How much was told.
#[derive(Debug)]
pub(crate) enum Told {
    /// All, of a trace that lacks this.
    All(Option<Loss>),
    /// So many rows; whether there are more, rows must say.
    Part(u64),
}

/// Tells `limit` rows of the trace at `path` at most.
pub(crate) fn tell(
    path: &Path,
    chosen: &Chosen,
    limit: Option<u64>,
    out: &mut Output,
    print: &mut impl FnMut(&Row, &mut Output) -> io::Result<()>,
) -> Result<Told, Stop> {
    // What cannot be opened twice is read once.
    let again = || trace::open(path).ok();
    let found =
        again().zip(again()).and_then(|(one, other)| Found::new(chosen.filter(), one, other));
    let Some(mut found) = found else { return Ok(Told::Part(0)) };
    let mut told = 0;
    while limit != Some(told) {
        if !found.is_at_hand() {
            // The next may be far away.
            out.flush()?;
        }
        match found.next_row() {
            Ok(Some(row)) => {
                print(&row, out)?;
                told += 1;
            }
            // Rows say which part of the filter is to blame.
            Ok(None) if told == 0 => return Ok(Told::Part(0)),
            Ok(None) => return Ok(found.into_loss().map_or(Told::Part(told), Told::All)),
            // Rows meet what is in the way, and say it in its place.
            Err(_) => return Ok(Told::Part(told)),
        }
    }
    Ok(Told::All(None))
}
