//! The only file that prints. Data go to standard output, words for people to standard error.
//!
//! It knows verbosity and colour, and nothing of traces. Invariants: a reader who closes our standard output
//! is no error; a line on standard error is whole, whichever thread says it.

use std::fmt::{self, Display};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::MultiProgress;

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::output::stats::Look;

/// Gathers what goes to standard output, so that a million rows are not a million system calls.
const STDOUT_BUFFER_BYTES: usize = 64 << 10;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Color {
    // No help texts here: they would make every `--help` three times as long.
    #[default]
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> ColorChoice {
        match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }
}

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, clap::ValueEnum)]
pub(crate) enum Verbosity {
    /// Errors and warnings only.
    Quiet,
    /// What was done and what to do next.
    #[default]
    Normal,
    /// What happens on the way, too.
    Verbose,
}

/// Prints. Clones print to the same streams, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    color: ColorChoice,
    verbosity: Verbosity,
    bars: MultiProgress,
}

impl Printer {
    /// A printer for this program's standard streams.
    pub(crate) fn new(color: Color, verbosity: Verbosity) -> Printer {
        Printer { color: color.into(), verbosity, bars: MultiProgress::new() }
    }

    /// Whether only errors and warnings are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    /// Standard output, locked and buffered. What is left in the buffer is written by [`Output::finish`].
    pub(crate) fn output(&self) -> Output {
        let stdout = BufWriter::with_capacity(STDOUT_BUFFER_BYTES, io::stdout().lock());
        let color = match self.color {
            ColorChoice::Auto => AutoStream::choice(&io::stdout()),
            choice => choice,
        };
        Output { stdout, colored: color != ColorChoice::Never }
    }

    /// What was done, or what to do next: `label` in a column of its own.
    pub(crate) fn say(&self, label: &str, text: impl Display) {
        if self.verbosity >= Verbosity::Normal {
            let style = Style::new().bold();
            self.line(format_args!("{style}{label:<8}{style:#} {text}"));
        }
    }

    /// Begins a part of a longer story.
    pub(crate) fn title(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            let style = Style::new().bold();
            self.line(format_args!("\n{style}{text}{style:#}"));
        }
    }

    /// A command that is about to be run, or can be.
    pub(crate) fn command(&self, text: impl Display) {
        if self.verbosity >= Verbosity::Normal {
            let style = AnsiColor::Cyan.on_default();
            self.line(format_args!("{style}$ {text}{style:#}"));
        }
    }

    /// What happens on the way, with `-v`.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.verbosity >= Verbosity::Verbose {
            let style = Style::new().dimmed();
            self.line(format_args!("{style}{text}{style:#}"));
        }
    }

    /// Something that may matter and stopped nothing.
    pub(crate) fn warn(&self, text: impl Display) {
        let style = AnsiColor::Yellow.on_default().bold();
        self.line(format_args!("{style}warning{style:#}: {text}"));
    }

    /// Something that could not be done, and what to try.
    pub(crate) fn error(&self, failure: &Failure) {
        let style = AnsiColor::Red.on_default().bold();
        self.line(format_args!("{style}error{style:#}: {failure}"));
        for hint in failure.hints() {
            self.hint(hint);
        }
    }

    /// What diverged: the first of `lines`, then what is known of it, then what to try.
    pub(crate) fn account(&self, lines: &[String], hints: &[String]) {
        let style = AnsiColor::Red.on_default().bold();
        for (number, line) in lines.iter().enumerate() {
            match number {
                0 => self.line(format_args!("{style}error{style:#}: {line}")),
                _ => self.line(format_args!("  {line}")),
            }
        }
        for hint in hints {
            self.hint(hint);
        }
    }

    /// Something to try.
    pub(crate) fn hint(&self, text: impl Display) {
        let style = AnsiColor::Cyan.on_default();
        self.line(format_args!("  {style}hint{style:#}: {text}"));
    }

    fn line(&self, text: fmt::Arguments<'_>) {
        self.bars.suspend(|| {
            let mut stderr = AutoStream::new(io::stderr().lock(), self.color);
            // Nobody is left to be told that standard error is closed.
            let _ = writeln!(stderr, "{text}");
        });
    }

    /// Where progress bars are drawn; `None` where nobody would see them move.
    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        (self.verbosity >= Verbosity::Normal && io::stderr().is_terminal()).then_some(&self.bars)
    }

    /// Tells how a command ended, if that needs words.
    pub(crate) fn conclude(&self, outcome: Result<ExitCode, Failure>) -> ExitCode {
        match outcome {
            Ok(code) => code,
            Err(failure) if failure.is_reader_gone() => ExitCode::Done,
            Err(failure) => {
                self.error(&failure);
                ExitCode::Trouble
            }
        }
    }

    /// Writes help that was asked for.
    pub(crate) fn tell(&self, text: &str) -> ExitCode {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.color);
        // A closed pipe is the only way this fails that a reader of help could cause.
        let _ = stdout.write_all(text.as_bytes());
        let _ = stdout.flush();
        ExitCode::Done
    }

    /// Writes why the command line was refused.
    pub(crate) fn refuse(&self, text: &str) {
        self.line(format_args!("{}", text.trim_end()));
    }
}

/// Standard output.
pub(crate) struct Output {
    stdout: BufWriter<StdoutLock<'static>>,
    colored: bool,
}

impl Output {
    /// Whether what is written may hold colours.
    pub(crate) fn is_colored(&self) -> bool {
        self.colored
    }

    /// How numbers may be shown: bars only to people.
    pub(crate) fn look(&self) -> Look {
        Look { colored: self.colored, bars: io::stdout().is_terminal() }
    }

    /// Writes what is still in the buffer.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush().map_err(Failure::output)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stdout.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
