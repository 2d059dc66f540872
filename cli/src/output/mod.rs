//! What requests and events look like: rows and events come in, lines go out.
//!
//! Nothing here opens a file or decides what is printed. Invariant: whatever a trace holds, a line is one
//! line, and no byte of it steers a terminal.

/// One line a request, for files that are committed and compared.
pub(crate) mod canonical;
/// The fields that were asked for.
pub(crate) mod columns;
/// Traces that were compared.
pub(crate) mod diff;
/// What a trace is and holds.
pub(crate) mod expert;
pub(crate) mod facts;
/// What is wrong with a trace.
pub(crate) mod findings;
mod guest;
/// One JSON object a line, for programs.
pub(crate) mod json;
/// The events of a QEMU log.
pub(crate) mod log;
/// What a QEMU log is and holds.
pub(crate) mod log_facts;
/// What became of a QEMU log that was recovered.
pub(crate) mod log_recovery;
mod parts;
mod provenance;
/// What became of a damaged trace.
pub(crate) mod recovery;
/// What the requests of a trace amount to.
pub(crate) mod stats;
/// Columns, for people.
pub(crate) mod text;

use std::fmt;

use blkreplay_core::event::{CompletionFlags, Payload};
use blkreplay_core::request::{Errno, Flags, Operation, Request};
use blkreplay_core::rows::Row;
pub(crate) use blkreplay_core::words::{Devices, printable};

/// The names of the flags of a request, those of its completion last.
fn flag_names(request: Flags, completion: CompletionFlags) -> Vec<&'static str> {
    let mut names: Vec<_> = request.names().collect();
    names.extend(completion.undelivered.then_some("undelivered"));
    names.extend(completion.refused.then_some("refused"));
    names
}

/// The names of the flags of a row.
fn row_flags(row: &Row) -> Vec<&'static str> {
    let completion = row.completion.as_ref().map(|completion| completion.flags);
    flag_names(row.request.flags, completion.unwrap_or_default())
}

/// `ok`, or the name of an error.
#[derive(Debug, Clone, Copy)]
struct Outcome(Result<(), Errno>);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(()) => f.pad("ok"),
            Err(errno) => errno.fmt(f),
        }
    }
}

/// How a row ended; `None` if the trace does not say.
fn row_outcome(row: &Row) -> Option<Outcome> {
    row.completion.as_ref().map(|completion| Outcome(completion.result))
}

/// Whether a request has a range worth printing.
fn has_range(request: &Request) -> bool {
    request.operation != Operation::Flush
}

/// What is known of a payload; `None` if nothing is.
fn known(payload: Payload) -> Option<Payload> {
    (payload != Payload::Absent).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_completion_come_after_those_of_the_request() {
        let completion = CompletionFlags { undelivered: true, refused: true };
        let names = flag_names(Flags::FUA.with(Flags::NO_HOLE), completion);
        assert_eq!(names, ["fua", "no_hole", "undelivered", "refused"]);
        assert!(flag_names(Flags::NONE, CompletionFlags::default()).is_empty());
    }
}
