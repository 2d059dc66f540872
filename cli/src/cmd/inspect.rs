//! `inspect`: a trace on a terminal. A path comes in; the screen is the inspector's own.
//!
//! Invariant: where standard output is no terminal that has a screen it is `print`, or `diff` if there is something to compare with.

use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blkreplay_core::diff::Align;
use blkreplay_core::position::Position;
use blkreplay_tui::action::View;
use blkreplay_tui::look::Theme;
use blkreplay_tui::settings::Settings;
use blkreplay_tui::state::target::{PLACES, target};
use blkreplay_tui::{Begin, Comparison, Opened, Partner};
use clap::builder::PossibleValuesParser;

use crate::cmd::diff::DiffArgs;
use crate::cmd::print::PrintArgs;
use crate::config::keys::GLYPHS;
use crate::config::{Config, FILE_NAME};
use crate::diff::inspected::Inspected;
use crate::diff::settle::{Given, alignment};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::looking::{self, Looking};
use crate::printer::Printer;
use crate::qemu_log::LayoutArg;
use crate::spooled;
use crate::trace::Damage;
use crate::wanted;

const INSPECT_HELP: &str = "\
Examples:
  blkreplay inspect t.blkr          look through a trace: ? lists the keys
  blkreplay inspect t.blkr -f 'write && lat > 5ms' --view map --at 1.2s
  blkreplay inspect -F t.blkr       follow a trace that is being recorded
  blkreplay inspect -F -            one that record -o - writes into this pipe
  blkreplay inspect a.blkr b.blkr   look through two, X goes from one to the other
  blkreplay inspect q.rr            a log of QEMU's record/replay: its checkpoints and events
  blkreplay inspect t.blkr | less   standard output is no terminal: the same as print
  blkreplay inspect --plain t.blkr  line by line, for screen readers and scripts
  blkreplay inspect --theme cvd --glyphs ascii t.blkr
                                    in other colours, and in signs that every terminal has
  blkreplay inspect --diff base.blkr new.blkr
                                    where new.blkr differs from base.blkr, side by side

Exit codes: 0 seen, 2 trouble; without a terminal those of print, or of diff.";

/// Look through a trace on the terminal
#[derive(Debug, clap::Args)]
#[command(after_help = INSPECT_HELP)]
pub(crate) struct InspectArgs {
    /// The trace, or a log of QEMU's record/replay; of several, X shows the next; `-` is standard input
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,

    /// Follow a trace that is being recorded, until the recording ends
    #[arg(short = 'F', long)]
    follow: bool,

    /// Show only requests for which this holds
    #[arg(short = 'f', long, value_name = "FILTER")]
    filter: Option<String>,

    /// The view to begin with: its key or its name, such as map
    #[arg(long, value_name = "VIEW", value_parser = view_arg)]
    view: Option<View>,

    /// The place to begin at, as behind `:` in it: 1214, 1.2s, 50%, 'epoch 11', 'mark NAME', end
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,

    /// Do not go on where you left off, and do not remember where you leave
    #[arg(long)]
    no_session: bool,

    #[command(flatten)]
    layout: LayoutArg,

    #[command(flatten)]
    screen: ScreenArgs,

    #[command(flatten)]
    compared: ComparedArgs,
}

/// How it looks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Screen")]
struct ScreenArgs {
    /// Colours, rather than those of blkreplay.toml
    #[arg(
        long,
        value_name = "THEME",
        value_parser = PossibleValuesParser::new(Theme::ALL.map(|(_, name)| name))
    )]
    theme: Option<String>,

    /// Signs; `auto` looks at the terminal
    #[arg(
        long,
        value_name = "SIGNS",
        value_parser = PossibleValuesParser::new(GLYPHS.map(|(_, name)| name))
    )]
    glyphs: Option<String>,

    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,

    /// Lines instead of a screen, for screen readers and scripts: each line read is a place or a command
    #[arg(long)]
    plain: bool,
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

    /// A trace with what it is compared with.
    fn with(&self, opened: Opened, path: &Path) -> Result<Opened, Failure> {
        let (given, damage) = (self.given(), self.damage());
        let compared = self.diff.as_ref();
        let compared =
            compared.map(|base| Inspected::new(base, path, given, damage)).transpose()?;
        let comparison = compared.map(|compared| Arc::new(compared) as Arc<dyn Comparison>);
        Ok(Opened { comparison, ..opened })
    }

    fn damage(&self) -> Damage {
        if self.allow_truncated { Damage::Allowed } else { Damage::Refused }
    }
}

/// Reads `--view`.
fn view_arg(text: &str) -> Result<View, String> {
    let keyed = View::ALL.iter().find(|(_, key, _)| key.to_string() == text);
    let found = View::named(text).or(keyed.map(|(view, ..)| *view));
    found.ok_or_else(|| {
        let names: Vec<String> = View::ALL.iter().map(|(.., name)| name.to_lowercase()).collect();
        format!("there is no such view; {} are", names.join(", "))
    })
}

/// Refuses what is no place.
fn place(text: &str) -> Result<(), Failure> {
    match target(text) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Failure::new(format!("`{text}` is no place; places: {PLACES}"))),
        Err(why) => Err(Failure::new(why)),
    }
}

impl InspectArgs {
    /// How somebody wants it: what is said here goes before what the nearest file says.
    fn settings(&self, printer: &Printer) -> Result<Settings, Failure> {
        let near = self.traces.first().map_or(Path::new(FILE_NAME), PathBuf::as_path);
        let config = match &self.compared.config {
            Some(file) => Config::at(file)?,
            None => Config::near(near)?,
        };
        let file = config.inspect;
        let theme = self.screen.theme.as_deref().and_then(Theme::named);
        let theme = theme.or(file.theme.as_ref().map(|said| said.value)).unwrap_or_default();
        let glyphs = match &self.screen.glyphs {
            Some(asked) => GLYPHS.iter().find(|(_, name)| name == asked).and_then(|(one, _)| *one),
            None => file.glyphs.as_ref().and_then(|said| said.value),
        };
        let wanted = wanted::settings(file, wanted::look(theme, glyphs, printer))?;
        Ok(Settings { has_mouse: wanted.has_mouse && !self.screen.no_mouse, ..wanted })
    }

    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        if let Some(text) = &self.at {
            place(text)?;
        }
        if !self.screen.plain && !looking::has_screen() {
            return self.print(printer);
        }
        let settings = self.settings(printer)?;
        let traces = self.opened()?;
        if self.screen.plain {
            let is_person = io::stdin().is_terminal();
            let partner = if is_person { Partner::Person } else { Partner::Script };
            let input = BufReader::new(io::stdin());
            blkreplay_tui::converse(traces, &settings, partner, input, io::stdout().lock())
                .map_err(Failure::output)?;
        } else {
            blkreplay_tui::run(traces, &settings)
                .map_err(|error| Failure::because("cannot use this terminal", error))?;
        }
        spooled::failure().map_or(Ok(ExitCode::Done), Err)
    }

    /// The traces, or why they cannot be looked at.
    fn opened(&self) -> Result<Vec<Opened>, Failure> {
        match self.traces.iter().filter(|path| input::is_stdin(path)).count() {
            0 => {}
            1 if self.screen.plain => {
                let what = "--plain reads commands from standard input, which is the trace here";
                return Err(Failure::new(what).hint("blkreplay print -  prints what comes"));
            }
            1 if self.compared.diff.is_none() => {}
            1 => {
                let what = "the inspector compares files, and standard input is none";
                return Err(Failure::new(what).hint("blkreplay diff BASE -  compares what comes"));
            }
            _ => return Err(Failure::new("standard input can be looked at once")),
        }
        let looking = Looking {
            follows: self.follow,
            begin: Begin { filter: self.filter.clone(), view: self.view, at: self.at.clone() },
            keeps_session: !self.no_session,
            layout: self.layout,
        };
        self.traces.iter().map(|path| self.compared.with(looking.at(path)?, path)).collect()
    }

    /// Prints how the one trace there is differs from a base.
    fn print_diff(mut self, base: PathBuf, printer: &Printer) -> Result<ExitCode, Failure> {
        if self.at.is_some() {
            let what = "without a terminal, --at is not for a comparison of all";
            return Err(
                Failure::new(what).hint("blkreplay diff --at ID BASE NEW  shows one request")
            );
        }
        let (mut given, damage) = (self.compared.given(), self.compared.damage());
        given.filters.extend(self.filter.take());
        match (self.traces.pop(), self.traces.is_empty()) {
            (Some(trace), true) => {
                DiffArgs::of(base, trace, given, damage, self.layout).run(printer)
            }
            _ => Err(Failure::new(
                "without a terminal, one trace is compared, and there are several",
            )
            .hint("blkreplay diff BASE NEW  compares two")),
        }
    }

    /// Prints the one trace there is.
    fn print(mut self, printer: &Printer) -> Result<ExitCode, Failure> {
        if let Some(base) = self.compared.diff.take() {
            return self.print_diff(base, printer);
        }
        let at = self.at.as_ref().map(|text| text.parse::<Position>()).transpose();
        let at = at.map_err(|error| {
            Failure::because("without a terminal, --at takes what print --at takes", error)
        })?;
        match (self.traces.pop(), self.traces.is_empty()) {
            (Some(trace), true) => {
                PrintArgs::asked(trace, self.filter, at, self.follow, self.layout).run(printer)
            }
            _ => {
                Err(Failure::new("without a terminal, one trace is printed, and there are several")
                    .hint("blkreplay print TRACE  prints one"))
            }
        }
    }
}
