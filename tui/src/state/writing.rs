//! The file that what is shown is written to: its name while it is typed, and how far it is.
//!
//! Keys and what was written in, an order out. Invariants: nothing is written over that nobody agreed to; there is one at a time.

use std::path::{Path, PathBuf};

use tui_input::{Input, InputRequest};

use crate::outlet::Kind;
use crate::words;
use crate::writer::{Order, Told, Written};

/// A name that is being typed.
#[derive(Debug, Default)]
pub struct Naming {
    /// What is typed.
    pub input: Input,
    /// Why there is no file of this name to write.
    pub error: Option<String>,
    /// A file of this name is there: once more means that it may go.
    pub agrees: bool,
}

impl Naming {
    /// This name.
    pub fn of(name: &str) -> Naming {
        Naming { input: Input::new(name.to_owned()), ..Naming::default() }
    }

    /// Changes the name.
    pub fn edit(&mut self, request: InputRequest) {
        self.input.handle(request);
        (self.error, self.agrees) = (None, false);
    }

    /// The path.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.input.value().trim())
    }

    /// Writes the ending on, or the next one there is.
    pub fn complete(&mut self) {
        let text = self.input.value().trim_end();
        let endings = Kind::ALL.map(|(_, ending)| ending);
        let name = text.rsplit('/').next().unwrap_or_default();
        let (stem, begun) = match name.rsplit_once('.') {
            Some((_, begun)) => (&text[..text.len() - begun.len() - 1], begun),
            None => (text, ""),
        };
        let next = match endings.iter().position(|ending| *ending == begun) {
            Some(at) => Some(endings[(at + 1) % endings.len()]),
            None => endings.into_iter().find(|ending| ending.starts_with(begun)),
        };
        if let Some(ending) = next {
            self.input = Input::new(format!("{stem}.{ending}"));
            (self.error, self.agrees) = (None, false);
        }
    }
}

/// What is written, if anything is.
#[derive(Debug, Default)]
pub struct Writing {
    /// What is to be written.
    order: Option<Order>,
    number: u64,
    /// Requests that were looked at, of a trace twice.
    done: u64,
}

impl Writing {
    /// Begins, with the number that is next.
    pub fn begin(&mut self, order: impl FnOnce(u64) -> Order) {
        self.number += 1;
        self.done = 0;
        self.order = Some(order(self.number));
    }

    /// What is to be written.
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Goes no further; the path, if there was more to do than to put the file in its place.
    pub fn stop(&mut self) -> Option<PathBuf> {
        self.order.take_if(|order| order.fate.stop()).map(|order| order.path)
    }

    /// Takes how far it is. If it ended: the path, and what came of it.
    pub fn take(&mut self, told: Told) -> Option<(PathBuf, Result<Written, String>)> {
        let order = self.order.take_if(|order| order.number == told.number)?;
        let Some(end) = told.end else {
            self.done = told.done;
            self.order = Some(order);
            return None;
        };
        Some((order.path, end))
    }

    /// Where it goes, and how far it is in percent, of so many requests.
    pub fn shown(&self, requests: u64) -> Option<(&Path, u64)> {
        let order = self.order.as_ref()?;
        let passes = if order.kind == Kind::Trace { 2 } else { 1 };
        Some((&order.path, words::progress(self.done, requests.saturating_mul(passes))))
    }
}
