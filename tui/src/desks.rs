//! Several traces side by side, one of them on the screen. Each has its own state, with its focus and its filter, and its own threads.
//!
//! Keys go to the one that is shown, what was read to the one that it was read for. Invariant: what was read for a trace that was opened
//! anew since is heard by nobody.

use std::error::Error;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, Sender, TryIter, channel};
use std::thread;
use std::time::Duration;

use crate::app::Effect;
use crate::desk::{Desk, Heard};
use crate::opened::Opened;
use crate::settings::Settings;

/// What is heard, and for which of them; `None` for the one that is shown.
pub(crate) type Tagged = (Option<u64>, Heard);

/// The traces.
pub(crate) struct Desks {
    all: Vec<(u64, Desk)>,
    shown: usize,
    /// Tags that were given out.
    tags: u64,
    sender: Sender<Tagged>,
    heard: Receiver<Tagged>,
    settings: Settings,
}

impl Desks {
    /// Looks at these traces, of which there is at least one.
    pub(crate) fn new(
        traces: Vec<Opened>,
        settings: &Settings,
    ) -> Result<Desks, Box<dyn Error + Send + Sync>> {
        let names: Vec<String> = traces.iter().map(|trace| trace.name.clone()).collect();
        let (sender, heard) = channel();
        let settings = settings.clone();
        let mut desks = Desks { all: Vec::new(), shown: 0, tags: 0, sender, heard, settings };
        for (at, trace) in traces.into_iter().enumerate() {
            let mut desk = Desk::new(trace)?;
            desk.app.settle_in(desks.settings.clone());
            let next = (at + 1) % names.len();
            if next != at {
                desk.app.beside = Some((at + 1, names.len(), names[next].clone()));
            }
            desks.add(at, desk);
        }
        Ok(desks)
    }

    /// Puts one at a place, and hears what is read for it.
    fn add(&mut self, at: usize, mut desk: Desk) {
        self.tags += 1;
        let (tag, heard, sender) = (self.tags, desk.ear(), self.sender.clone());
        thread::spawn(move || {
            while let Ok(one) = heard.recv() {
                if sender.send((Some(tag), one)).is_err() {
                    return;
                }
            }
        });
        if at < self.all.len() {
            self.all[at] = (tag, desk);
        } else {
            self.all.push((tag, desk));
        }
    }

    /// Where to say what is to be heard.
    pub(crate) fn sender(&self) -> Sender<Tagged> {
        self.sender.clone()
    }

    /// Waits for the next that is heard.
    pub(crate) fn hear(&self) -> Result<Tagged, RecvError> {
        self.heard.recv()
    }

    /// The same, but no longer than this.
    pub(crate) fn hear_within(&self, time: Duration) -> Result<Tagged, RecvTimeoutError> {
        self.heard.recv_timeout(time)
    }

    /// What is heard already.
    pub(crate) fn heard(&self) -> TryIter<'_, Tagged> {
        self.heard.try_iter()
    }

    /// The one that is shown.
    pub(crate) fn shown(&mut self) -> &mut Desk {
        &mut self.all[self.shown].1
    }

    /// Takes what was heard.
    pub(crate) fn take(&mut self, (tag, heard): Tagged) -> Option<Effect> {
        match tag {
            None => self.shown().take(heard),
            Some(tag) => {
                let found = self.all.iter_mut().find(|(of, _)| *of == tag);
                found.and_then(|(_, desk)| desk.take(heard))
            }
        }
    }

    /// Says what is to be read.
    pub(crate) fn wish(&mut self) {
        self.all.iter_mut().for_each(|(_, desk)| desk.wish());
    }

    /// Remembers where one leaves off.
    pub(crate) fn leave(&self) {
        self.all.iter().for_each(|(_, desk)| desk.leave());
    }

    /// Shows the next.
    pub(crate) fn other(&mut self) {
        let has_mouse = self.shown().app.has_mouse;
        self.shown = (self.shown + 1) % self.all.len();
        self.shown().app.has_mouse = has_mouse;
    }

    /// Opens the one that is shown anew.
    pub(crate) fn reopen(&mut self) {
        let at = self.shown;
        match self.shown().anew() {
            Ok(mut desk) => {
                let has_mouse = self.shown().app.has_mouse;
                desk.app.settle_in(Settings { has_mouse, ..self.settings.clone() });
                self.add(at, desk);
            }
            Err(error) => self.shown().app.refuse(format!("cannot open it anew: {error}")),
        }
    }
}
