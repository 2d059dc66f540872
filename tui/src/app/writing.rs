//! What is shown is written to a file. A name and what was written in, an order out, and words.
//!
//! Invariant: the trace that is looked at is never written over.

use std::path::Path;

use super::{App, Over};
use crate::outlet::Kind;
use crate::state::writing::Naming;
use crate::words;
use crate::writer::{Fate, Order, Told, Written};

impl App {
    /// Begins to ask for a name.
    pub(super) fn ask_file(&mut self) {
        if self.writing.order().is_some() {
            return self.refuse("one file at a time; esc stops the one that is being written");
        }
        let filter = self.filtering.applied.as_ref();
        if filter.is_some_and(|applied| !applied.is_done) {
            return self.refuse("the filter still finds more; wait, or stop it with esc");
        }
        self.over = Some(Over::File(Naming::default()));
    }

    /// Writes to the file of the name that was typed, or says what is wrong with it.
    pub(super) fn write(&mut self, mut naming: Naming) {
        let path = naming.path();
        match self.writable(&path) {
            Err(why) => {
                naming.error = Some(why);
                self.over = Some(Over::File(naming));
            }
            Ok((_, true)) if !naming.agrees => {
                naming.agrees = true;
                self.over = Some(Over::File(naming));
            }
            Ok((kind, overwrites)) => {
                let filter = Some(self.filtering.text().to_owned()).filter(|text| !text.is_empty());
                let shown = self.shown_places();
                let fate = Fate::default();
                let order = |number| Order { number, path, kind, shown, filter, overwrites, fate };
                self.writing.begin(order);
            }
        }
    }

    /// What a file of this name is to hold, and whether one is there.
    fn writable(&self, path: &Path) -> Result<(Kind, bool), String> {
        let shown = path.display();
        if path.as_os_str().is_empty() {
            return Err("a name is missing".to_owned());
        }
        let kind = Kind::of(path).ok_or("its ending says what it holds: .jsonl .csv .txt .blkr")?;
        if self.outlet.is_trace(path) {
            return Err(format!("{shown} is the trace that you look at"));
        }
        match path.metadata() {
            Ok(there) if there.is_file() => Ok((kind, true)),
            Ok(_) => Err(format!("{shown} is no regular file")),
            Err(_) => Ok((kind, false)),
        }
    }

    /// Something was written.
    pub fn wrote(&mut self, told: Told) {
        let Some((path, end)) = self.writing.take(told) else { return };
        let path = path.display();
        match end {
            Err(why) => self.refuse(format!("{path} was not written: {why}")),
            Ok(Written { requests, note }) => {
                let ends = if requests == 1 { "" } else { "s" };
                let said = format!("wrote {} request{ends} to {path}", words::count(requests));
                match note {
                    Some(note) => self.refuse(format!("{said}; {note}")),
                    None => self.say(said),
                }
            }
        }
    }

    /// Writes no further; whether something was being written.
    pub(super) fn stop_writing(&mut self) -> bool {
        let Some(path) = self.writing.stop() else { return false };
        self.say(format!("{} was not written: it was cancelled", path.display()));
        true
    }
}
