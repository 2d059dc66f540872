//! `check --findings`: what is worth a look in a trace. Events come in while it is checked, lines and a count by level go out.
//!
//! What is found is core's, what a line looks like is `output`'s. Invariants: what is whole is looked at, and what cannot be
//! looked at is said; lines wait for those of the check, and where they are not bounded the trace is walked once more instead.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use blkreplay_core::event::Event;
use blkreplay_core::format::{self, CheckError, Depth, Finding, Header, Inspector};
use blkreplay_core::query::QueryError;
use blkreplay_core::view::findings::{Findings, Level};

use crate::input::Input;
use crate::output::expert::Lines;
use crate::printer::Output;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) json: bool,
    /// Not only the first of each code.
    pub(crate) all: bool,
}

/// How many there are of each level, from info on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Levels(pub(crate) [u64; 3]);

impl Levels {
    pub(crate) fn count(&mut self, level: Level) {
        self.0[level as usize] += 1;
    }

    pub(crate) fn of(self, level: Level) -> u64 {
        self.0[level as usize]
    }

    /// Whether there is any of this level or a higher one.
    pub(crate) fn reach(self, level: Level) -> bool {
        self.0[level as usize..].iter().any(|count| *count > 0)
    }
}

/// Looks for findings in one trace.
#[derive(Debug)]
pub(crate) struct Expert {
    path: PathBuf,
    asked: Asked,
    /// Once there is a header.
    found: Option<(Findings, Lines)>,
    /// Why no findings can be looked for.
    failed: Option<QueryError>,
}

impl Expert {
    /// For the trace at `path`.
    pub(crate) fn new(path: &Path, asked: Asked) -> Expert {
        Expert { path: path.to_owned(), asked, found: None, failed: None }
    }

    /// Takes what the trace says of itself.
    pub(crate) fn header(&mut self, header: &Header) {
        let names = header.devices.iter().map(|device| device.name.clone()).collect();
        match Findings::new(header) {
            Ok(findings) => {
                self.found = Some((findings, Lines::new(&self.path, names, self.asked)));
            }
            Err(error) => self.failed = Some(error),
        }
    }

    /// Takes the event with this index, or the index of one that is not known.
    pub(crate) fn event(
        &mut self,
        index: u64,
        event: Option<&Event>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let Some((findings, lines)) = &mut self.found else { return Ok(()) };
        match event {
            Some(event) => findings.push(index, event),
            None => findings.pass_over(index),
        }
        findings.take().try_for_each(|finding| lines.finding(&finding, out))
    }

    /// No events follow. Gives how many were found, or why nothing was looked for.
    pub(crate) fn finish(self, out: &mut impl Write) -> io::Result<Result<Levels, Unlooked>> {
        let Some((mut findings, mut lines)) = self.found else {
            return Ok(Err(self.failed.map_or(Unlooked::NoHeader, Unlooked::NoFilter)));
        };
        findings.finish();
        findings.take().try_for_each(|finding| lines.finding(&finding, out))?;
        lines.sums(findings.unknown(), out).map(Ok)
    }
}

/// Why no findings were looked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unlooked {
    #[error("its header is not whole")]
    NoHeader,
    #[error("a rule of --findings is no filter: {0}")]
    NoFilter(#[source] QueryError),
}

/// Walks the trace `input` only for its findings.
pub(crate) fn walk(
    input: Input,
    expert: Expert,
    out: &mut Output,
) -> Result<io::Result<Result<Levels, Unlooked>>, CheckError> {
    let mut walker = Walker { expert, out, written: Ok(()) };
    match format::check(input, Depth::Structure, &mut walker) {
        Err(CheckError::Stopped) | Ok(_) => {}
        Err(error) => return Err(error),
    }
    let Walker { expert, out, written } = walker;
    Ok(written.and_then(|()| expert.finish(out)))
}

/// Hears only of events.
struct Walker<'a> {
    expert: Expert,
    out: &'a mut Output,
    written: io::Result<()>,
}

impl Walker<'_> {
    fn take(&mut self, index: u64, event: Option<&Event>) {
        if self.written.is_ok() {
            self.written = self.expert.event(index, event, self.out);
        }
    }
}

impl Inspector for Walker<'_> {
    fn finding(&mut self, _: Finding) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn walked(&mut self, _: u64, _: u64) -> ControlFlow<()> {
        if self.written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn header(&mut self, header: &Header) {
        self.expert.header(header);
    }

    fn event(&mut self, index: u64, event: &Event) {
        self.take(index, Some(event));
    }

    fn passed_over(&mut self, index: u64) {
        self.take(index, None);
    }
}
