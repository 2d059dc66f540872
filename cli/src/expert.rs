//! `check --findings`: what is worth a look in a trace. A path comes in, lines and a count by level go out.
//!
//! What is found is core's, what a line looks like is `output`'s. Invariant: what is whole is looked at, and what cannot be
//! looked at is said.

use std::io;
use std::path::Path;

use blkreplay_core::format::{Header, Loss, ReadError};
use blkreplay_core::view::findings::{Findings, FirstPass, Level};

use crate::failure::Failure;
use crate::output::expert::Lines;
use crate::printer::Output;
use crate::trace::{self, Trace};

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

/// Why looking stopped early.
enum Stop {
    Write(io::Error),
    Trouble(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Write(error)
    }
}

/// Looks at the trace at `path`, called `name`. The inner failure is about that trace only.
pub(crate) fn look(
    path: &Path,
    name: &Path,
    asked: Asked,
    out: &mut Output,
) -> Result<Result<Levels, Failure>, Failure> {
    match told(path, name, asked, out) {
        Ok(levels) => Ok(Ok(levels)),
        Err(Stop::Write(error)) => Err(Failure::output(error)),
        Err(Stop::Trouble(failure)) => Ok(Err(failure)),
    }
}

fn told(path: &Path, name: &Path, asked: Asked, out: &mut Output) -> Result<Levels, Stop> {
    let mut findings = first_pass(path)?;
    let mut trace = trace::open(path).map_err(Stop::Trouble)?;
    let names = trace.header().devices.iter().map(|device| device.name.clone()).collect();
    let mut lines = Lines::new(name, names, asked);
    each(&mut trace, path, |index, event| {
        findings.push(index, event);
        findings.take().try_for_each(|finding| lines.finding(&finding, out))
    })?;
    finish(&mut findings, trace.loss(), &mut lines, out)?;
    Ok(lines.sums(findings.unknown(), out)?)
}

fn finish(
    findings: &mut Findings,
    loss: Option<&Loss>,
    lines: &mut Lines,
    out: &mut Output,
) -> io::Result<()> {
    findings.finish(loss);
    findings.take().try_for_each(|finding| lines.finding(&finding, out))
}

/// What all requests say together.
fn first_pass(path: &Path) -> Result<Findings, Stop> {
    let mut trace = trace::open(path).map_err(Stop::Trouble)?;
    let header: Header = trace.header().clone();
    let mut first = FirstPass::new(&header).map_err(|error| {
        Stop::Trouble(Failure::because("a rule of --findings is no filter", error))
    })?;
    each(&mut trace, path, |index, event| {
        first.push(index, event);
        Ok(())
    })?;
    Ok(first.finish(&header))
}

fn each(
    trace: &mut Trace,
    path: &Path,
    mut take: impl FnMut(u64, blkreplay_core::event::Event) -> io::Result<()>,
) -> Result<(), Stop> {
    let failed = |error: ReadError| {
        Stop::Trouble(Failure::because(format!("cannot read {} further", path.display()), error))
    };
    while let Some((index, event)) = trace.next_event().map_err(failed)? {
        take(index, event)?;
    }
    Ok(())
}
