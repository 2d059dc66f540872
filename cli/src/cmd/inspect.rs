//! `inspect`: a trace or a QEMU log on a terminal. A path comes in; the screen is the inspector's own.
//!
//! Invariant: where standard output is no terminal that has a screen it is `print`, or `diff` if there is something to compare with.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blkreplay_core::diff::Align;
use blkreplay_core::open::{self, Found};
use blkreplay_tui::look::{self, Look, Theme};
use blkreplay_tui::{Comparison, Log, Opened};
use clap::builder::PossibleValuesParser;

use crate::cmd::diff::DiffArgs;
use crate::cmd::print::PrintArgs;
use crate::diff::inspected::Inspected;
use crate::diff::settle::{Given, alignment};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::printer::Printer;
use crate::qemu_log::LayoutArg;
use crate::shown::Printed;
use crate::trace::{self, Damage};
use crate::words::shell_word;

const INSPECT_HELP: &str = "\
Examples:
  blkreplay inspect t.blkr          look through a trace: ? lists the keys
  blkreplay inspect -F t.blkr       follow a trace that is being recorded
  blkreplay inspect a.blkr b.blkr   look through two, X goes from one to the other
  blkreplay inspect q.rr            a log of QEMU's record/replay: its checkpoints and events
  blkreplay inspect t.blkr | less   standard output is no terminal: the same as print
  blkreplay inspect --theme cvd --glyphs ascii t.blkr
                                    in other colours, and in signs that every terminal has
  blkreplay inspect --diff base.blkr new.blkr
                                    where new.blkr differs from base.blkr, side by side

Exit codes: 0 seen, 2 trouble.";

/// Look through a trace on the terminal
#[derive(Debug, clap::Args)]
#[command(after_help = INSPECT_HELP)]
pub(crate) struct InspectArgs {
    /// The trace, or a log of QEMU's record/replay; of several, X shows the next
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// Follow a trace that is being recorded, until the recording ends
    #[arg(short = 'F', long)]
    follow: bool,

    #[command(flatten)]
    layout: LayoutArg,

    /// Colours
    #[arg(
        long,
        value_name = "THEME",
        default_value = "default",
        value_parser = PossibleValuesParser::new(Theme::ALL.map(|(_, name)| name))
    )]
    theme: String,

    /// Signs
    #[arg(long, default_value_t, value_enum)]
    glyphs: Glyphs,

    #[command(flatten)]
    compared: ComparedArgs,
}

/// With what it is compared.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Compare")]
struct ComparedArgs {
    /// Compare the trace with this one, as blkreplay diff BASE TRACE does
    #[arg(long, value_name = "BASE", conflicts_with = "follow")]
    diff: Option<PathBuf>,

    /// How requests are paired: order, epoch (unless you say otherwise), conflict, key or state
    #[arg(long, value_name = "ALIGNMENT", value_parser = alignment, requires = "diff")]
    align: Option<Align>,

    /// Read this file rather than the nearest blkreplay.toml
    #[arg(long, value_name = "FILE", requires = "diff")]
    config: Option<PathBuf>,

    /// Compare traces that are cut or damaged, as far as both are whole
    #[arg(long, requires = "diff")]
    allow_truncated: bool,
}

impl ComparedArgs {
    fn given(&self) -> Given {
        Given { align: self.align, config: self.config.clone(), ..Given::default() }
    }

    fn damage(&self) -> Damage {
        if self.allow_truncated { Damage::Allowed } else { Damage::Refused }
    }
}

/// Which signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Glyphs {
    /// What the terminal has
    #[default]
    Auto,
    /// Those of Unicode
    Unicode,
    /// Those that every terminal has
    Ascii,
}

/// Whether the terminal can only write on.
fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// How the screen looks.
fn look(theme: &str, glyphs: Glyphs, printer: &Printer) -> Look {
    let glyphs = match glyphs {
        Glyphs::Auto => None,
        Glyphs::Unicode => Some(look::Glyphs::Unicode),
        Glyphs::Ascii => Some(look::Glyphs::Ascii),
    };
    let terminal = look::Terminal::of(|name| env::var(name).ok());
    let look = Look::new(Theme::named(theme).unwrap_or_default(), glyphs, &terminal);
    // The terminal is standard output.
    if printer.output().is_colored() { look } else { look.without_color() }
}

impl InspectArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        if !io::stdout().is_terminal() || is_dumb() {
            return self.print(printer);
        }
        let traces: Result<Vec<Opened>, Failure> =
            self.traces.iter().map(|path| self.opened(path)).collect();
        let look = look(&self.theme, self.glyphs, printer);
        blkreplay_tui::run(traces?, &look)
            .map_err(|error| Failure::because("cannot use this terminal", error))?;
        Ok(ExitCode::Done)
    }

    /// Prints the one trace there is.
    fn print(mut self, printer: &Printer) -> Result<ExitCode, Failure> {
        let (given, damage) = (self.compared.given(), self.compared.damage());
        match (self.traces.pop(), self.traces.is_empty()) {
            (Some(trace), true) => match self.compared.diff {
                Some(base) => DiffArgs::of(base, trace, given, damage).run(printer),
                None => PrintArgs::all_of(trace, self.follow, self.layout).run(printer),
            },
            _ => {
                Err(Failure::new("without a terminal, one trace is printed, and there are several")
                    .hint("blkreplay print TRACE  prints one"))
            }
        }
    }
}

impl InspectArgs {
    /// How to look at the trace at `path`, and with what it is compared.
    fn opened(&self, path: &Path) -> Result<Opened, Failure> {
        let opened = opened(path, self.follow, self.layout)?;
        let (given, damage) = (self.compared.given(), self.compared.damage());
        let compared = self.compared.diff.as_ref();
        let compared =
            compared.map(|base| Inspected::new(base, path, given, damage)).transpose()?;
        let comparison = compared.map(|compared| Arc::new(compared) as Arc<dyn Comparison>);
        Ok(Opened { comparison, ..opened })
    }
}

/// How to look at the trace at `path`. It is opened first: what is wrong with it is said before the screen is taken.
fn opened(path: &Path, follows: bool, layout: LayoutArg) -> Result<Opened, Failure> {
    if input::is_stdin(path) {
        let what = "the inspector goes to and fro in a trace, and standard input only goes on";
        return Err(Failure::new(what).hint("blkreplay print -  prints it"));
    }
    if follows {
        // It waits for the header.
        trace::follow(path)?;
    }
    let log = match layout.look(path)? {
        (input, Found::QemuLog) if !follows => Some(log(path, input, layout)?),
        // It says what is wrong with what is no trace.
        _ => trace::open(path).map(|_| None)?,
    };
    let (at, printed) = (path.to_owned(), path.to_owned());
    Ok(Opened {
        name: path.display().to_string(),
        word: shell_word(path),
        path: path.to_owned(),
        open: Arc::new(move || Ok(open::trace(&at)?)),
        outlet: Arc::new(move |header| Arc::new(Printed::of(&printed, header))),
        follows,
        comparison: None,
        log,
    })
}

/// How to read a QEMU log.
fn log(path: &Path, input: Input, layout: LayoutArg) -> Result<Log, Failure> {
    let reader = layout.reader(path, input)?;
    let path = path.to_owned();
    Ok(Log {
        header: reader.header(),
        layout: reader.layout(),
        is_forced: layout.forced.is_some(),
        open: Arc::new(move || Ok(open::file(&path)?)),
    })
}
