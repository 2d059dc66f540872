//! Why two traces could not be compared, with a word for programs. A failure comes in, trouble goes out.
//!
//! The words are a promise: the page on JSON lists them.

use blkreplay_core::diff::DiffError;
use blkreplay_core::format::{Origin, PreambleError, ReadError};
use blkreplay_core::open::OpenTraceError;

use crate::failure::Failure;
use crate::output::diff::Trouble;
use crate::trace;

/// Trouble, as reports have it.
pub(super) fn of(failure: &Failure) -> Trouble {
    let code = failure.code().unwrap_or_else(|| failure.reason().map_or("unreadable", code_of));
    Trouble { code, message: failure.to_string(), hints: failure.hints().to_vec() }
}

/// The word for why a trace cannot be opened or read.
fn code_of(reason: &(dyn std::error::Error + Send + Sync + 'static)) -> &'static str {
    match reason.downcast_ref::<OpenTraceError>() {
        Some(OpenTraceError::Open { source, .. }) => match source.kind() {
            std::io::ErrorKind::NotFound => "missing",
            _ => "unreadable",
        },
        Some(OpenTraceError::Kind { .. }) => "not-a-file",
        Some(OpenTraceError::Read { source, .. }) => match source {
            ReadError::NotATrace { origin: Origin::Empty } => "empty",
            ReadError::NotATrace { origin: Origin::TraceCut }
            | ReadError::Preamble(PreambleError::Cut { .. }) => "truncated",
            ReadError::NotATrace { .. } => "not-a-trace",
            ReadError::Preamble(PreambleError::Version { .. } | PreambleError::Feature { .. }) => {
                "version"
            }
            _ => "unreadable",
        },
        None => "unreadable",
    }
}

/// Why the comparison of two paths could not go on.
pub(super) fn of_comparison(error: DiffError, paths: [&std::path::Path; 2]) -> Failure {
    let (which, error) = match error {
        DiffError::Side { which, source } => (Some(which), *source),
        error => (None, error),
    };
    let path = which.map(|which| which.of(paths));
    let name = path.map_or_else(
        || "the traces".to_owned(),
        |path| crate::input::name(path).display().to_string(),
    );
    match error {
        DiffError::Loss(loss) => not_whole(path, &name, &loss).hint(ALLOW_HINT),
        DiffError::Text(error) => {
            let what = format!("{name} is not canonical text");
            Failure::because(what, error).coded("not-canonical")
        }
        DiffError::Rule(error) => {
            let what = error.shown().unwrap_or_else(|| error.to_string());
            let failure = Failure::new(format!("{name}: {what}")).coded("rule");
            error.hint().into_iter().fold(failure, Failure::hint)
        }
        DiffError::Budget(error) => {
            let what = error.shown().unwrap_or_else(|| error.to_string());
            let failure = Failure::new(format!("{name}: {what}")).coded("budget");
            error.hint().into_iter().fold(failure, Failure::hint)
        }
        error @ DiffError::NoData { .. } => Failure::because(
            format!("cannot compare {name}"),
            error,
        )
        .coded("no-payloads")
        .hint("record with --payload write, which is the default, to compare what the disk holds")
        .hint("--ignore payload  compares only where it was written"),
        error => {
            let hint = match &error {
                DiffError::Scratch(_) => Some("TMPDIR names another place for temporary files"),
                DiffError::Epochs { .. } | DiffError::Scattered { .. } => {
                    Some("--filter  compares a part of them; --align epoch has no such bound")
                }
                _ => None,
            };
            let failure = Failure::because(format!("cannot compare {name}"), error);
            hint.into_iter().fold(failure, Failure::hint)
        }
    }
}

/// What lets traces be compared that are not whole.
pub(super) const ALLOW_HINT: &str = "--allow-truncated  compares as far as both are whole";

/// A side is cut or damaged, and nobody allowed that.
pub(super) fn not_whole(
    path: Option<&std::path::Path>,
    name: &str,
    loss: &blkreplay_core::format::Loss,
) -> Failure {
    let failure = Failure::new(format!("{name} is not whole: {loss}")).coded("truncated");
    path.into_iter().fold(failure, |failure, path| failure.hint(trace::recover_hint(path)))
}
