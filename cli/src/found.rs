//! Tells the requests that a filter means by looking for them in columns, where that can be done. A path and a filter in, rows
//! out, one after another.
//!
//! How they are found is core's. Invariant: what is told are the first of those that going over all requests tells; if it says
//! so, all of them.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use blkreplay_core::format::Loss;
use blkreplay_core::query::{Found, SearchError};
use blkreplay_core::rows::Row;

use crate::chosen::Chosen;
use crate::lines::Stop;
use crate::printer::Output;
use crate::trace;

/// If the first so many rows are of fewer than [`EACH`] requests each, most chunks hold some, and rows are asked: they are read
/// ahead.
const MANY: u64 = 4096;
const EACH: u64 = 64;

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
                if told == MANY && found.requests() < MANY * EACH {
                    return Ok(Told::Part(told));
                }
            }
            Ok(None) => return Ok(all(path, chosen, found, told).unwrap_or(Told::Part(told))),
            // Rows meet what is in the way, and say it in its place.
            Err(_) => return Ok(Told::Part(told)),
        }
    }
    Ok(Told::All(None))
}

/// What is to be said when there is no more to tell: what is lost, and if nothing was meant, why.
fn all<R: Read + Seek>(
    path: &Path,
    chosen: &Chosen,
    found: Found<'_, R>,
    told: u64,
) -> Result<Told, SearchError> {
    let loss = found.into_loss()?;
    if told == 0 {
        let reader = trace::open(path).map_err(|_| SearchError::Odd)?;
        chosen.passed(&Found::passed(chosen.filter(), reader)?);
    }
    Ok(Told::All(loss))
}
