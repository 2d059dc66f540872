//! `--filter`: which requests are meant, for every command that has it. A text and rows come in, yes or no goes out.
//!
//! The language is core's. What a filter must know of all requests, or of marks, it is told by a first reading of the trace;
//! data of requests are got by a reader beside the one that gives the rows. Invariant: a filter that means nothing says which
//! of its terms is to blame, and what it could not be told is said.

use std::cell::{Cell, RefCell};
use std::path::Path;

use blkreplay_core::event::PayloadId;
use blkreplay_core::format::{Header, PayloadPolicy, ReadError, Target};
use blkreplay_core::position::{Finder, Position};
use blkreplay_core::query::{Asked, Filter, Needs};
use blkreplay_core::rows::{Joiner, Row, Rows};
use blkreplay_core::units::Nanos;
use bytes::Bytes;

use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;
use crate::trace::{self, Trace};
use crate::words::counted;

/// Chooses requests, and remembers how many passed which part of the filter.
#[derive(Debug)]
pub(crate) struct Chosen {
    filter: Filter,
    needs: Needs,
    seen: Cell<u64>,
    /// How many passed each term and those before it.
    passed: Vec<Cell<u64>>,
    /// Gets data, if the filter asks for any.
    data: Option<RefCell<Trace>>,
    /// Requests whose data were asked for and are not there.
    lacked: Cell<u64>,
    /// Why the first data that could not be read could not.
    unread: RefCell<Option<ReadError>>,
    policy: PayloadPolicy,
}

impl Chosen {
    /// What the `text` of `--filter` means in the trace at `path`, which is read once before if that is needed.
    pub(crate) fn of(text: &str, path: &Path, header: &Header) -> Result<Chosen, Failure> {
        let mut filter = understood(text, header)?;
        let needs = filter.needs();
        if needs.marks {
            let times = times(&filter, path)?;
            filter.settle_marks(&times).map_err(|error| Failure::new(error.shown(text)))?;
        }
        let data = needs.data.then(|| data(path)).transpose()?;
        let mut chosen = Chosen::asking(filter, needs, header);
        chosen.data = data.map(RefCell::new);
        if needs.first_pass {
            chosen.settle(path)?;
        }
        Ok(chosen)
    }

    /// What it means in a trace that is being recorded, of which nobody can know all.
    pub(crate) fn following(text: &str, header: &Header) -> Result<Chosen, Failure> {
        let filter = understood(text, header)?;
        let needs = filter.needs();
        let asks = [
            (needs.first_pass, "of all requests together"),
            (needs.marks, "for the time of a mark"),
            (needs.data, "for data of requests"),
        ];
        if let Some((_, what)) = asks.iter().find(|(asks, _)| *asks) {
            let what = format!("the filter asks {what}, and -F prints what is not all there yet");
            return Err(Failure::new(what).hint("leave out -F to print what is there so far"));
        }
        Ok(Chosen::asking(filter, needs, header))
    }

    /// As [`Chosen::of`], where there may be no `--filter`.
    pub(crate) fn asked(
        text: Option<&str>,
        path: &Path,
        header: &Header,
    ) -> Result<Option<Chosen>, Failure> {
        text.map(|text| Chosen::of(text, path, header)).transpose()
    }

    fn asking(filter: Filter, needs: Needs, header: &Header) -> Chosen {
        let passed = filter.terms().map(|_| Cell::new(0)).collect();
        Chosen {
            filter,
            needs,
            seen: Cell::new(0),
            passed,
            data: None,
            lacked: Cell::new(0),
            unread: RefCell::new(None),
            policy: header.payload,
        }
    }

    /// Reads the trace once, for what the filter asks of all requests together.
    fn settle(&mut self, path: &Path) -> Result<(), Failure> {
        let mut totals = self.filter.first_pass();
        let mut rows = Rows::joined_by(self.joiner(), trace::open(path)?.ahead());
        let unreadable = |error| {
            let name = input::name(path);
            Failure::because(format!("cannot read {} further", name.display()), error)
        };
        while let Some(row) = rows.next_row().map_err(unreadable)? {
            let fetch = |id| self.fetch(id);
            totals.add(Asked::with_data(&row, &fetch));
        }
        self.filter.settle(&totals);
        Ok(())
    }

    /// The filter, which knows all that it must.
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What joins rows so that they know all that the filter asks for.
    pub(crate) fn joiner(&self) -> Joiner {
        if self.needs.written { Joiner::new().knowing_written() } else { Joiner::new() }
    }

    /// Whether rows must be read from the beginning of the trace on.
    pub(crate) fn needs_all_before(&self) -> bool {
        self.needs.context
    }

    /// Whether a request is meant.
    pub(crate) fn takes(&self, row: &Row) -> bool {
        let fetch = |id| self.fetch(id);
        let asked = Asked::with_data(row, &fetch);
        let refused = self.filter.refused(&asked);
        self.lacked.set(self.lacked.get() + u64::from(asked.lacked_data()));
        let passed = refused.unwrap_or(self.passed.len());
        for count in std::iter::once(&self.seen).chain(&self.passed[..passed]) {
            count.set(count.get() + 1);
        }
        refused.is_none()
    }

    /// Takes what somebody else counted: all requests, then those that passed each term and those before it.
    pub(crate) fn passed(&self, counts: &[u64]) {
        for (count, passed) in std::iter::once(&self.seen).chain(&self.passed).zip(counts) {
            count.set(*passed);
        }
    }

    /// Whether there was a request to choose.
    pub(crate) fn saw_some(&self) -> bool {
        self.seen.get() > 0
    }

    fn fetch(&self, id: PayloadId) -> Option<Bytes> {
        match self.data.as_ref()?.borrow_mut().payload(id) {
            Ok(data) => Some(data),
            Err(error) => {
                self.unread.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    /// Says why nothing was meant, if nothing was, and what the filter could not be told.
    pub(crate) fn tell_nothing(&self, printer: &Printer) {
        if let Some((term, before)) = self.nothing().filter(|(_, before)| *before > 0) {
            let requests = counted(before, "request");
            printer.warn(format_args!(
                "nothing is meant: of {requests} that get so far, none passes `{term}`"
            ));
            if term.contains("..") && !term.contains("..=") {
                printer.hint("`..` leaves its end out, `..=` keeps it");
            }
        }
        if self.lacked.get() == 0 {
            return;
        }
        let requests = counted(self.lacked.get(), "request");
        let why = match (self.unread.borrow().as_ref(), self.policy) {
            (Some(error), _) => error.to_string(),
            (None, PayloadPolicy::None | PayloadPolicy::Hash) => {
                "data were not recorded".to_owned()
            }
            (None, PayloadPolicy::Write) => "only data of writes were recorded".to_owned(),
            (None, PayloadPolicy::All) => "they were never answered, or failed".to_owned(),
        };
        printer.warn(format_args!(
            "the trace has no data of {requests} that the filter asks about: {why}"
        ));
        if self.policy != PayloadPolicy::All {
            printer.hint("blkreplay record --payload all  keeps what is written and what is read");
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

/// The filter that a text is, or why it is none, as a compiler would say it.
pub(crate) fn understood(text: &str, header: &Header) -> Result<Filter, Failure> {
    Filter::of(text, header).map_err(|error| Failure::new(error.shown(text)))
}

/// A reader that has seen where all data of a trace lie.
fn data(path: &Path) -> Result<Trace, Failure> {
    let mut trace = trace::open(path)?;
    let unreadable =
        |error| Failure::because(format!("cannot read {}", input::name(path).display()), error);
    trace.seek(&Target::End).map_err(unreadable)?;
    // It stands at the last chunk of events now, and those of data may lie between it and the end.
    while trace.next_event().map_err(unreadable)?.is_some() {}
    Ok(trace)
}

/// The times of the marks that a filter names: of each the first, if there is one.
fn times(filter: &Filter, path: &Path) -> Result<Vec<Option<Nanos>>, Failure> {
    let name = input::name(path);
    let unreadable = |error| Failure::because(format!("cannot read {}", name.display()), error);
    let mut times = Vec::new();
    for mark in filter.marks() {
        let mut trace = trace::open(path)?;
        let position = Position::Mark(mark.clone());
        let mut finder = Finder::new(position, trace.header()).map_err(Failure::of)?;
        finder.seek(&mut trace).map_err(unreadable)?;
        let mut time = None;
        while time.is_none()
            && let Some((index, event)) = trace.next_event().map_err(unreadable)?
        {
            time = finder.is_at(index, &event).then_some(event.time);
        }
        times.push(time);
    }
    Ok(times)
}
