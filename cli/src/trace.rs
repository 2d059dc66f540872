//! Opening a trace to replay it. A path comes in, a plan and readers go out, or a reason in words.
//!
//! It decides what a damaged trace means to a replay, and nothing about events. Invariant: loss is refused
//! unless it was allowed, and never goes unsaid.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use blkreplay_core::engine::{self, Divergence, LastWriter, Plan, PlanError};
use blkreplay_core::format::Reader;
use blkreplay_core::open;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::words::shell_word;

/// A trace file, open for reading.
pub(crate) type Trace = Reader<BufReader<File>>;

/// What a cut or damaged trace means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It cannot be used.
    Refused,
    /// It is used as far as it goes.
    Allowed,
}

/// Opens the trace at `path`.
pub(crate) fn open(path: &Path) -> Result<Trace, Failure> {
    open::trace(path).map_err(|error| {
        let hint = error.hint();
        let failure = Failure::of(error);
        hint.into_iter().fold(failure, Failure::hint)
    })
}

/// Reads the trace at `path` once, and says what a replay of it needs. The reader that is returned stands at
/// its end.
pub(crate) fn plan(
    path: &Path,
    damage: Damage,
    printer: &Printer,
) -> Result<(Trace, Plan), Failure> {
    let mut trace = open(path)?;
    let plan = Plan::of(&mut trace).map_err(|error| cannot_replay(path, error))?;
    if let Some(loss) = trace.loss() {
        let what = format!("{} is not whole: {loss}", path.display());
        match damage {
            Damage::Allowed => printer.warn(what),
            Damage::Refused => {
                return Err(
                    Failure::new(what).hint("--allow-truncated replays it as far as it goes")
                );
            }
        }
    }
    Ok((trace, plan))
}

fn cannot_replay(path: &Path, error: PlanError) -> Failure {
    let no_data = matches!(error, PlanError::NoData { .. });
    let failure = Failure::because(format!("cannot replay {}", path.display()), error);
    if no_data {
        failure.hint("record with --payload write, which is the default, to keep what is written")
    } else {
        failure
    }
}

/// Who last wrote to the range where a replay diverged.
pub(crate) fn last_writer(
    path: &Path,
    divergence: &Divergence,
) -> Result<Option<LastWriter>, Failure> {
    engine::last_writer(&mut open(path)?, divergence).map_err(|error| {
        Failure::because(format!("cannot read the trace {} again", shell_word(path)), error)
    })
}
