//! How requests look outside of the inspector: as the command line prints and writes them.
//!
//! Whoever starts the inspector gives it an [`Outlet`]; rows go in, lines and traces come out. Invariant: a line that is copied or
//! written here is the line that the command line prints of the same request.

use std::fmt;
use std::io::Write;
use std::path::Path;

use blkreplay_core::edit::Planned;
use blkreplay_core::format::{Survey, Writer};
use blkreplay_core::rows::Row;

/// What a trace is written to.
pub type Sink = Box<dyn Write + Send>;

/// What the command line makes of requests.
pub trait Outlet: fmt::Debug + Send + Sync {
    /// What comes before the first request.
    fn heading(&self, form: Form) -> Vec<u8>;

    /// A request, with the end of its line.
    fn line(&self, form: Form, row: &Row) -> Vec<u8>;

    /// Begins a trace of what was `planned` of a `whole` one, chosen by a filter of this text, in `out`.
    fn trace(
        &self,
        whole: &Survey,
        planned: &Planned,
        filter: Option<&str>,
        out: Sink,
    ) -> Result<Writer<Sink>, String>;

    /// Whether a path leads to the trace that is looked at.
    fn is_trace(&self, path: &Path) -> bool;
}

/// A form of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As `print` has it.
    Text,
    /// As `print --json` has it.
    Json,
    /// As `print --format csv` has it.
    Csv,
}

/// What a file is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines of this form.
    Lines(Form),
    /// A trace.
    Trace,
}

impl Kind {
    /// All, with the endings of their files, in the order in which they are offered.
    pub const ALL: [(Kind, &'static str); 4] = [
        (Kind::Lines(Form::Json), "jsonl"),
        (Kind::Lines(Form::Csv), "csv"),
        (Kind::Lines(Form::Text), "txt"),
        (Kind::Trace, "blkr"),
    ];

    /// What a file of this name is to hold; `None` if its ending does not say.
    pub fn of(path: &Path) -> Option<Kind> {
        let ending = path.extension()?.to_str()?;
        Kind::ALL.iter().find(|(_, known)| *known == ending).map(|(kind, _)| *kind)
    }
}
