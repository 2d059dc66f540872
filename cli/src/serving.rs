//! A recording without a COMMAND: a session that serves, until there is a reason to end it. Where it serves is said first, which
//! is the sign that clients can come.
//!
//! What becomes of the trace is the caller's business.

use std::time::Instant;

use crate::bounds::{self, Watch};
use crate::child::Places;
use crate::cmd::mark;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::session::Session;
use crate::signals::{Signal, Signals};
use crate::words::{self, shell_word};

/// What ends a recording without COMMAND.
pub(crate) struct Until<'a> {
    /// Somebody interrupts.
    pub(crate) signals: &'a Signals,
    /// A bound is reached, if there is one.
    pub(crate) watch: Option<&'a Watch>,
    /// The one client has gone.
    pub(crate) one: bool,
}

/// Serves until that.
pub(crate) fn serve(session: &Session, places: &Places, until: &Until<'_>, printer: &Printer) {
    for line in session.serving(places) {
        printer.say("serving", line);
    }
    if let Some(control) = &places.control {
        let program = words::program();
        printer.say(
            "marks",
            format_args!("{}={} {program} mark NAME", mark::CONTROL, shell_word(control)),
        );
    }
    let mut progress = Progress::new(printer, "recording", None);
    loop {
        if until.watch.is_some_and(Watch::is_over) || session.is_over() {
            return;
        }
        let looks = until.watch.is_some() || until.one;
        let look = looks.then(|| Instant::now() + bounds::LOOK);
        let wake = [progress.next_update(), look].into_iter().flatten().min();
        match until.signals.next(wake) {
            None => progress.update(session.requests()),
            Some(Signal::Child) => {}
            Some(Signal::Interrupt | Signal::Terminate | Signal::HangUp) => return,
        }
    }
}
