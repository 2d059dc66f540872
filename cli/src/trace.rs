//! Opening a trace to replay it. A path comes in, a plan and readers go out, or a reason in words.
//!
//! It decides what a damaged trace means to a replay, and nothing about events. Invariant: loss is refused
//! unless it was allowed, and never goes unsaid.

use std::path::Path;

use blkreplay_core::engine::{Plan, PlanError};
use blkreplay_core::format::ReadError;
use blkreplay_core::format::{Origin, PreambleError, Reader};
use blkreplay_core::open::{self, Found, OpenTraceError};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::printer::Printer;
use crate::words::shell_word;

/// A trace, open for reading.
pub(crate) type Trace = Reader<Input>;

/// What a cut or damaged trace means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It cannot be used.
    Refused,
    /// It is used as far as it goes.
    Allowed,
}

/// Opens the trace at `path`; `-` is standard input, which can be opened again and again.
pub(crate) fn open(path: &Path) -> Result<Trace, Failure> {
    let mut input = Input::open(path)?;
    refuse_log(path, &mut input, "it has no offsets and no data of requests")?;
    open::input(&input::name(path), input).map_err(explained)
}

/// Refuses a log of QEMU, for this reason.
fn refuse_log(path: &Path, input: &mut Input, why: &str) -> Result<(), Failure> {
    // What cannot be looked at cannot be read either, and reading says why.
    if !open::look(input).is_ok_and(|found| found == Found::QemuLog) {
        return Ok(());
    }
    let name = input::name(path);
    let what = format!("{} is a log of QEMU's record/replay, not a trace", name.display());
    Err(Failure::new(format!("{what}: {why}"))
        .hint(format!("blkreplay print {}  prints its events", shell_word(path))))
}

/// Opens the trace at `path` to read on when it grows.
pub(crate) fn follow(path: &Path) -> Result<Trace, Failure> {
    if !input::is_stdin(path)
        && let Err(error) = open::trace(path)
        && !may_grow(&error)
    {
        refuse_log(path, &mut Input::open(path)?, "QEMU writes its version last")?;
        return Err(explained(error));
    }
    let input = Input::follow(path)?;
    open::input(&input::name(path), input).map_err(explained)
}

/// Whether what is no trace may be the beginning of one.
pub(crate) fn may_grow(error: &OpenTraceError) -> bool {
    match error {
        OpenTraceError::Read { source, .. } => match source {
            ReadError::NotATrace { origin } => matches!(origin, Origin::Empty | Origin::TraceCut),
            ReadError::Preamble(error) => matches!(error, PreambleError::Cut { .. }),
            _ => false,
        },
        _ => false,
    }
}

/// An error with what to try next.
pub(crate) fn explained(error: OpenTraceError) -> Failure {
    let hint = error.hint();
    let failure = Failure::of(error);
    hint.into_iter().fold(failure, Failure::hint)
}

/// What to try with a trace of which something is lost.
pub(crate) fn recover_hint(path: &Path) -> String {
    format!("blkreplay recover {} -o NEW  makes a whole trace of what is left", shell_word(path))
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
    let missing = match (trace.loss(), trace.facts().lost) {
        (Some(loss), _) => Some(format!("{} is not whole: {loss}", path.display())),
        (None, 0) => None,
        // Of what comes behind a hole nobody knows what it should read.
        (None, lost) => Some(format!("{lost} events are missing in {}", path.display())),
    };
    if let Some(what) = missing {
        match damage {
            Damage::Allowed => printer.warn(what),
            Damage::Refused => {
                return Err(Failure::new(what).hint("--allow-truncated replays what there is"));
            }
        }
    }
    Ok((trace, plan))
}

/// Why a trace cannot be replayed, and what to do about it.
pub(crate) fn cannot_replay(path: &Path, error: PlanError) -> Failure {
    let hints: &[&str] = match error {
        PlanError::NoWriteData(_) => &[
            "record with --payload write, which is the default, to keep what is written",
            "--fill random makes data up, where only times matter",
        ],
        PlanError::NoReadData(_) => &[
            "give an IMAGE as it was before the recording",
            "record with --payload all, to keep what is read",
        ],
        _ => &[],
    };
    let failure = Failure::because(format!("cannot replay {}", path.display()), error);
    hints.iter().fold(failure, |failure, hint| failure.hint(*hint))
}
