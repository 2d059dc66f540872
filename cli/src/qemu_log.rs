//! Logs of QEMU's record/replay where a trace may be: opens either, and tells what is wrong with a log. A path comes in,
//! something to read goes out, or a reason in words.
//!
//! It knows no events. Invariant: a log that stops early is never told of as a whole one.

use std::io::Seek;
use std::path::Path;

use blkreplay_core::open::{self, Found};
use blkreplay_core::qemu::{self, LAYOUTS, Layout, LogError, LogReader, Stop};

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::printer::Printer;
use crate::trace::{self, Trace};
use crate::words::shell_word;

/// How a QEMU log is to be read.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct LayoutArg {
    /// Read a QEMU log in this layout, not in the one that fits
    #[arg(long = "qemu-layout", value_name = "LABEL", value_parser = layout)]
    pub(crate) forced: Option<&'static Layout>,
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Source {
    Trace(Box<Trace>),
    Log(Input),
}

fn layout(label: &str) -> Result<&'static Layout, String> {
    Layout::named(label).ok_or_else(|| {
        let labels: Vec<_> = LAYOUTS.iter().map(|layout| layout.label).collect();
        format!("no layout is called that; there are {}", labels.join(", "))
    })
}

impl LayoutArg {
    /// Opens what is at `path`, and says what it is; `-` is standard input.
    pub(crate) fn look(self, path: &Path) -> Result<(Input, Found), Failure> {
        let mut input = Input::open(path)?;
        if self.forced.is_some() {
            refuse_trace(path, &mut input)?;
            return Ok((input, Found::QemuLog));
        }
        let found = open::look(&mut input).map_err(|error| {
            Failure::because(format!("cannot read {}", input::name(path).display()), error)
        })?;
        Ok((input, found))
    }

    /// The same, with the header of a trace read.
    pub(crate) fn open(self, path: &Path) -> Result<Source, Failure> {
        match self.look(path)? {
            (input, Found::QemuLog) => Ok(Source::Log(input)),
            (input, Found::Trace) => {
                let trace = open::input(&input::name(path), input);
                trace.map(|trace| Source::Trace(Box::new(trace))).map_err(trace::explained)
            }
        }
    }

    /// A reader of the log `input`, at its beginning, in the layout that fits.
    pub(crate) fn reader(self, path: &Path, mut input: Input) -> Result<LogReader<Input>, Failure> {
        let cannot = |error| cannot_read(path, error);
        let (_, layout) = qemu::choose(&mut input, self.forced).map_err(cannot)?;
        let rewound = input.rewind();
        rewound.map_err(|source| cannot(LogError::Read { at: 0, source }))?;
        LogReader::new(input, layout).map_err(cannot)
    }
}

/// Refuses to read a trace in a layout of logs, whatever was asked for.
fn refuse_trace(path: &Path, input: &mut Input) -> Result<(), Failure> {
    // What cannot be looked at cannot be read either, and reading says why.
    if !open::begins_as_trace(input).is_ok_and(|is_trace| is_trace) {
        return Ok(());
    }
    let name = input::name(path);
    Err(Failure::new(format!("{} is a trace: only QEMU logs have layouts", name.display()))
        .hint("leave --qemu-layout out"))
}

/// Why a log cannot be read.
pub(crate) fn cannot_read(path: &Path, error: LogError) -> Failure {
    let name = input::name(path);
    Failure::because(format!("cannot read {} as a QEMU log", name.display()), error)
}

/// Says where a log stops, what that means and what to try.
pub(crate) fn told(path: &Path, stop: Option<&Stop>, printer: &Printer) -> ExitCode {
    let Some(stop) = stop else { return ExitCode::Done };
    told_with(path, stop, stop.hint(), printer)
}

/// The same, with something else to try; `LOG` stands for the path.
pub(crate) fn told_with(path: &Path, stop: &Stop, hint: &str, printer: &Printer) -> ExitCode {
    printer.warn(format_args!("{}: {stop}: {}", input::name(path).display(), stop.meaning()));
    let word = if input::is_stdin(path) { "LOG".to_owned() } else { shell_word(path) };
    printer.hint(hint.replace("LOG", &word));
    if stop.is_loss() { ExitCode::Loss } else { ExitCode::Done }
}
