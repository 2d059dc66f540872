//! What the inspector needs of the command line: how to open a trace, where notes on it are kept, and how the screen looks.
//!
//! A path in, something to look at out. Invariant: what is wrong with a trace is said before the screen is taken.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use blkreplay_core::open::{self, Found};
use blkreplay_tui::journal::Journal;
use blkreplay_tui::notebook::Notebook;
use blkreplay_tui::{Begin, Bounds, IndexFile, Log, OpenLog, Opened};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::qemu_log::LayoutArg;
use crate::shown::Printed;
use crate::spooled::Spooled;
use crate::trace;
use crate::words::shell_word;

/// How often somebody looks whether the header of a trace has come.
const NAP: Duration = Duration::from_millis(20);

/// How one looks at traces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looking {
    /// What is recorded is shown as it comes.
    pub(crate) follows: bool,
    /// What is shown first.
    pub(crate) begin: Begin,
    /// Where one left off is remembered.
    pub(crate) keeps_session: bool,
    /// How to read QEMU logs.
    pub(crate) layout: LayoutArg,
}

/// Whether standard output is a terminal with a screen.
pub(crate) fn has_screen() -> bool {
    io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|name| name != "dumb")
}

impl Looking {
    /// How to look at the trace at `path`.
    pub(crate) fn at(&self, path: &Path) -> Result<Opened, Failure> {
        if input::is_stdin(path) {
            return self.at_stdin();
        }
        if self.follows {
            // It waits for the header.
            trace::follow(path)?;
        }
        let log = match self.layout.look(path)? {
            (input, Found::QemuLog) if !self.follows => Some(self.log(path, input)?),
            // It says what is wrong with what is no trace.
            _ => {
                self.check(trace::open(path)?.header())?;
                None
            }
        };
        let mut beside = OsString::from(path);
        beside.push(".notes.toml");
        let (at, printed) = (path.to_owned(), path.to_owned());
        Ok(Opened {
            name: path.display().to_string(),
            word: shell_word(path),
            path: path.to_owned(),
            open: Arc::new(move || Ok(open::trace(&at)?)),
            outlet: Arc::new(move |header| Arc::new(Printed::of(&printed, header))),
            follows: self.follows,
            comparison: None,
            log,
            begin: self.begin.clone(),
            notebook: self.notebook(Some(beside.into())),
        })
    }

    /// How to look at what comes over standard input: at all of it, or at what has come.
    fn at_stdin(&self) -> Result<Opened, Failure> {
        let spooled = Spooled::begin()?;
        if !self.follows {
            spooled.wait()?;
        }
        let name = input::name(Path::new("-")).into_owned();
        let again = {
            let (name, path) = (name.clone(), spooled.path.clone());
            move || {
                let input = open::file(&path).map_err(Box::new)?;
                open::input(&name, input).map_err(Box::new)
            }
        };
        let trace = loop {
            let had_all = !self.follows || spooled.has_ended();
            match again() {
                Ok(trace) => break trace,
                Err(error) if !had_all && trace::may_grow(&error) => thread::sleep(NAP),
                Err(error) => return Err(trace::explained(*error)),
            }
        };
        self.check(trace.header())?;
        let printed = spooled.path.clone();
        Ok(Opened {
            name: name.display().to_string(),
            word: input::word(Path::new("-")),
            path: spooled.path,
            open: Arc::new(move || Ok(again()?)),
            outlet: Arc::new(move |header| Arc::new(Printed::of(&printed, header))),
            follows: self.follows,
            comparison: None,
            log: None,
            begin: self.begin.clone(),
            notebook: self.notebook(None),
        })
    }

    /// How to read a QEMU log.
    fn log(&self, path: &Path, input: Input) -> Result<Log, Failure> {
        if self.begin.filter.is_some() || self.begin.at.is_some() {
            let what = "--filter and --at are about requests, which a QEMU log does not have";
            return Err(Failure::new(what).hint("--view says which view of it to begin with"));
        }
        let (at, forced) = (path.to_owned(), self.layout.forced);
        let open: OpenLog = Arc::new(move || Ok(open::file(&at)?));
        let index = IndexFile {
            folder: home("XDG_CACHE_HOME", ".cache"),
            journal: journal(),
            log: path.to_owned(),
            forced,
            open: Arc::clone(&open),
            bounds: Bounds::default(),
        };
        // To find it may take as long as to read the log.
        let layout = LayoutArg { forced: forced.or_else(|| index.layout()) };
        let reader = layout.reader(path, input)?;
        let (header, layout) = (reader.header(), reader.layout());
        Ok(Log { header, layout, is_forced: forced.is_some(), open, index })
    }

    /// Refuses a filter that cannot be understood.
    fn check(&self, header: &blkreplay_core::format::Header) -> Result<(), Failure> {
        let filter = self.begin.filter.as_ref();
        filter.map_or(Ok(()), |text| crate::chosen::understood(text, header).map(drop))
    }

    fn notebook(&self, beside: Option<PathBuf>) -> Notebook {
        Notebook { beside, state: state(), keeps_session: self.keeps_session }
    }
}

/// Where it is written what goes wrong while the screen is the inspector's.
pub(crate) fn journal() -> Journal {
    Journal::at(home_of_state().map(|folder| folder.join("inspect.log")))
}

/// Where state of the inspector is kept; `None` without a home.
fn state() -> Option<PathBuf> {
    Some(home_of_state()?.join("inspect"))
}

/// Where state is kept.
fn home_of_state() -> Option<PathBuf> {
    home("XDG_STATE_HOME", ".local/state")
}

/// Our folder in the one that a variable names, or in that one of the home, as the XDG specification has it.
fn home(variable: &str, below: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let found = named.or_else(|| Some(PathBuf::from(home?).join(below)))?;
    Some(found.join("blkreplay"))
}
