//! `--filter`: which requests are meant, for every command that has it. A text and rows come in, yes or no goes out.
//!
//! The language is core's. Invariant: a filter that means nothing says which of its terms is to blame.

use std::cell::Cell;

use blkreplay_core::format::Header;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Row;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::words::counted;

/// Chooses requests, and remembers how many passed which part of the filter.
#[derive(Debug)]
pub(crate) struct Chosen {
    filter: Filter,
    seen: Cell<u64>,
    /// How many passed each term and those before it.
    passed: Vec<Cell<u64>>,
}

impl Chosen {
    /// What the `text` of `--filter` means in a trace with this header.
    pub(crate) fn of(text: &str, header: &Header) -> Result<Chosen, Failure> {
        let devices: Vec<_> = header.devices.iter().map(|device| device.name.clone()).collect();
        let filter =
            Filter::parse(text, &devices).map_err(|error| Failure::new(error.shown(text)))?;
        let passed = filter.terms().map(|_| Cell::new(0)).collect();
        Ok(Chosen { filter, seen: Cell::new(0), passed })
    }

    /// As [`Chosen::of`], where there may be no `--filter`.
    pub(crate) fn asked(text: Option<&str>, header: &Header) -> Result<Option<Chosen>, Failure> {
        text.map(|text| Chosen::of(text, header)).transpose()
    }

    /// Whether a request is meant.
    pub(crate) fn takes(&self, row: &Row) -> bool {
        let refused = self.filter.refused_by(row);
        let passed = refused.unwrap_or(self.passed.len());
        for count in std::iter::once(&self.seen).chain(&self.passed[..passed]) {
            count.set(count.get() + 1);
        }
        refused.is_none()
    }

    /// Whether there was a request to choose.
    pub(crate) fn saw_some(&self) -> bool {
        self.seen.get() > 0
    }

    /// Says why nothing was meant, if nothing was.
    pub(crate) fn tell_nothing(&self, printer: &Printer) {
        if let Some((term, before)) = self.nothing().filter(|(_, before)| *before > 0) {
            let requests = counted(before, "request");
            printer.warn(format_args!(
                "nothing is meant: of {requests} that get so far, none passes `{term}`"
            ));
        }
    }

    /// If none of the requests was meant, the term that none passed of those that passed the terms before it, and how many
    /// those are.
    fn nothing(&self) -> Option<(&str, u64)> {
        let place = self.passed.iter().position(|count| count.get() == 0)?;
        let before = place.checked_sub(1).map_or(&self.seen, |before| &self.passed[before]);
        self.filter.terms().nth(place).map(|term| (term, before.get()))
    }
}
