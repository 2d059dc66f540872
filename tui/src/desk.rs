//! The state with the threads that read for it: all of the inspector but the terminal.
//!
//! Keys in, effects out; what was read is heard beside them. Invariant: nothing here waits for the trace.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvError, Sender, TryIter, channel};
use std::thread::JoinHandle;

use blkreplay_core::format::Reader;

use crate::app::{App, Effect};
use crate::chart::{self, Chart};
use crate::epochs::{self, Counted};
use crate::expert::{self, Looked};
use crate::flight::{self, Flight};
use crate::key::Key;
use crate::loader::{self, Told, Wish};
use crate::outlet::Outlet;
use crate::outline::{self, Outlined};
use crate::places::{self, Found};
use crate::sieve::{self, Sifted};
use crate::tally::{self, Tallied};
use crate::writer;

/// A trace that is open.
pub type Trace = Reader<BufReader<File>>;

/// Opens the trace once more.
pub type Again = Arc<dyn Fn() -> Result<Trace, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// What is heard.
pub(crate) enum Heard {
    Key(Key),
    Resized,
    Told(Told),
    Sifted(Sifted),
    Charted(Box<Chart>),
    Looked(Looked),
    Counted(Counted),
    Tallied(Tallied),
    Wrote(writer::Told),
    Scouted(Sifted),
    Found(Found),
    Outlined(Box<Outlined>),
    Flown(Box<Flight>),
    /// Somebody wants us to end.
    End,
}

/// The state, and who reads for it.
pub(crate) struct Desk {
    pub(crate) app: App,
    sender: Sender<Heard>,
    heard: Receiver<Heard>,
    wishes: Sender<Vec<Wish>>,
    /// The last that were made.
    wished: Vec<Wish>,
    again: Again,
    /// The last filter that was begun with.
    sifted: u64,
    /// The number of the filter that is wanted.
    wanted: Arc<AtomicU64>,
    /// The number of the order of the map that is wanted.
    charting: Arc<AtomicU64>,
    /// The last search for findings that was begun with.
    looked: u64,
    /// The number of the search for findings that is wanted.
    looking: Arc<AtomicU64>,
    /// The last count of epochs that was begun with.
    counted: u64,
    /// The number of the count of epochs that is wanted.
    counting: Arc<AtomicU64>,
    /// The last place that was looked for, and the number of the one that is wanted.
    scouted: u64,
    scouting: Arc<AtomicU64>,
    /// The same of a position.
    resolved: u64,
    resolving: Arc<AtomicU64>,
    /// Marks of the trace were asked for.
    has_names: bool,
    /// The number of the count that is wanted.
    wanted_tally: Arc<AtomicU64>,
    /// Who writes it, and the number of it.
    writer: Option<(u64, JoinHandle<()>)>,
    /// The number of the count of what was in flight that is wanted.
    wanted_flight: Arc<AtomicU64>,
}

impl Desk {
    /// Looks at a trace that `again` opens once more.
    pub(crate) fn new(
        name: String,
        word: String,
        reader: Trace,
        again: Again,
        outlet: Arc<dyn Outlet>,
    ) -> Desk {
        let app = App::new(name, word, reader.header().clone(), outlet);
        let (sender, heard) = channel();
        let telling = sender.clone();
        let once_more = Arc::clone(&again);
        let tell = move |told| telling.send(Heard::Told(told)).is_ok();
        let wishes = loader::start(reader, move || once_more(), tell);
        let (telling, once_more) = (sender.clone(), Arc::clone(&again));
        let tell = move |outlined| telling.send(Heard::Outlined(Box::new(outlined))).is_ok();
        outline::start(move || once_more(), tell);
        Desk {
            app,
            sender,
            heard,
            wishes,
            wished: Vec::new(),
            again,
            sifted: 0,
            wanted: Arc::default(),
            charting: Arc::default(),
            looked: 0,
            looking: Arc::default(),
            counted: 0,
            counting: Arc::default(),
            scouted: 0,
            scouting: Arc::default(),
            resolved: 0,
            resolving: Arc::default(),
            has_names: false,
            wanted_tally: Arc::default(),
            writer: None,
            wanted_flight: Arc::default(),
        }
    }

    /// Where to say what is to be heard.
    pub(crate) fn sender(&self) -> Sender<Heard> {
        self.sender.clone()
    }

    /// Waits for the next that is heard.
    pub(crate) fn hear(&self) -> Result<Heard, RecvError> {
        self.heard.recv()
    }

    /// What is heard already.
    pub(crate) fn heard(&self) -> TryIter<'_, Heard> {
        self.heard.try_iter()
    }

    /// Takes what was heard.
    pub(crate) fn take(&mut self, heard: Heard) -> Option<Effect> {
        match heard {
            Heard::Key(key) => return self.app.press(key),
            Heard::Resized => {}
            Heard::Told(told) => self.app.told(told),
            Heard::Sifted(sifted) => self.app.sifted(sifted),
            Heard::Charted(chart) => self.app.map.take(*chart),
            Heard::Looked(looked) => self.app.looked(looked),
            Heard::Counted(counted) => self.app.epochs.take(counted),
            Heard::Tallied(tallied) => self.app.tallied(tallied),
            Heard::Wrote(told) => self.app.wrote(told),
            Heard::Scouted(sifted) => self.app.scouted(sifted),
            Heard::Found(found) => self.app.placed(found),
            Heard::Outlined(outlined) => self.app.outline.take(*outlined),
            Heard::Flown(flight) => self.app.queue.take(*flight),
            Heard::End => return Some(Effect::Quit),
        }
        None
    }

    /// Says what the state wishes to be read now.
    pub(crate) fn wish(&mut self) {
        let now = self.app.wishes();
        if now != self.wished {
            // A loader that is gone has said why.
            let _ = self.wishes.send(now.clone());
            self.wished = now;
        }
        if self.app.requests.is_known() {
            self.sift();
            self.chart();
            self.scout();
            self.fly();
        }
        self.resolve();
        self.look();
        self.count();
        self.tally();
        self.write();
    }

    /// Begins to write a file, if one is wanted.
    fn write(&mut self) {
        let Some(order) = self.app.writing.order() else { return };
        let number = order.number;
        if self.writer.as_ref().is_some_and(|(begun, _)| *begun == number) {
            return;
        }
        let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
        let tell = move |told| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Wrote(told));
        };
        let outlet = Arc::clone(&self.app.outlet);
        let thread = writer::start(order.clone(), outlet, move || again(), tell);
        self.writer = Some((number, thread));
    }

    /// Begins to look for a place to go to, if there is a new one, and lets others end.
    fn scout(&mut self) {
        let scout = &self.app.going.scout;
        let number = scout.number;
        self.scouting.store(number, Ordering::Relaxed);
        let Some(filter) = scout.wanted().filter(|_| number > self.scouted) else { return };
        self.scouted = number;
        let (sender, scouting) = (self.sender.clone(), Arc::clone(&self.scouting));
        let (again, pages) = (Arc::clone(&self.again), self.app.requests.pages().to_vec());
        let tell = move |sifted| {
            scouting.load(Ordering::Relaxed) == number
                && sender.send(Heard::Scouted(sifted)).is_ok()
        };
        sieve::start(number, filter.clone(), pages, move || again(), tell);
    }

    /// Begins to look for a position, if there is a new one, and for marks of the trace.
    fn resolve(&mut self) {
        let going = &self.app.going;
        let number = if going.position.is_some() { going.number } else { 0 };
        self.resolving.store(number, Ordering::Relaxed);
        if let Some(position) = going.position.clone().filter(|_| number > self.resolved) {
            self.resolved = number;
            let (sender, resolving) = (self.sender.clone(), Arc::clone(&self.resolving));
            let again = Arc::clone(&self.again);
            let is_wanted = move || resolving.load(Ordering::Relaxed) == number;
            let tell = move |found| {
                // If nobody hears it, nobody wants it.
                let _ = sender.send(Heard::Found(found));
            };
            places::start(number, position, move || again(), is_wanted, tell);
        }
        if self.app.going.wants_names && !self.has_names {
            self.has_names = true;
            let (sender, again) = (self.sender.clone(), Arc::clone(&self.again));
            let tell = move |found| {
                let _ = sender.send(Heard::Found(found));
            };
            places::list(move || again(), tell);
        }
    }

    /// Begins to count epochs, if they are wanted, and lets others end.
    fn count(&mut self) {
        self.app.want_epochs();
        let epochs = &self.app.epochs;
        let number = epochs.number;
        self.counting.store(number, Ordering::Relaxed);
        if number <= self.counted {
            return;
        }
        self.counted = number;
        if epochs.is_done {
            return;
        }
        let (sender, counting) = (self.sender.clone(), Arc::clone(&self.counting));
        let (again, shown) = (Arc::clone(&self.again), self.app.shown_places());
        let tell = move |counted| {
            counting.load(Ordering::Relaxed) == number
                && sender.send(Heard::Counted(counted)).is_ok()
        };
        epochs::start(number, shown, move || again(), tell);
    }

    /// Begins to look for findings, if they are wanted, and lets others end.
    fn look(&mut self) {
        let findings = &self.app.findings;
        let number = findings.number;
        self.looking.store(number, Ordering::Relaxed);
        if number <= self.looked {
            return;
        }
        self.looked = number;
        if findings.is_done {
            return;
        }
        let (sender, looking) = (self.sender.clone(), Arc::clone(&self.looking));
        let again = Arc::clone(&self.again);
        let tell = move |looked| {
            looking.load(Ordering::Relaxed) == number && sender.send(Heard::Looked(looked)).is_ok()
        };
        expert::start(number, move || again(), tell);
    }

    /// Begins to count what the filter leaves, if a view shows it and it is not counted, and lets others end.
    fn tally(&mut self) {
        let begins = self.app.want_tally();
        self.wanted_tally.store(self.app.tallying.number(), Ordering::Relaxed);
        let Some(number) = begins else { return };
        let filter = self.app.filtering.applied.as_ref().map(|applied| applied.filter.clone());
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.wanted_tally));
        let again = Arc::clone(&self.again);
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |tallied| sender.send(Heard::Tallied(tallied)).is_ok();
        tally::start(number, filter, move || again(), is_wanted, tell);
    }

    /// Begins to look for what the filter means, if it is a new one, and lets others end.
    fn sift(&mut self) {
        let now = self.app.filtering.applied.as_ref();
        self.wanted.store(now.map_or(0, |applied| applied.number), Ordering::Relaxed);
        let Some(applied) = now.filter(|applied| applied.number > self.sifted) else { return };
        self.sifted = applied.number;
        if applied.is_done {
            return;
        }
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.wanted));
        let (number, again) = (applied.number, Arc::clone(&self.again));
        let pages = self.app.requests.pages().to_vec();
        let tell = move |sifted| {
            wanted.load(Ordering::Relaxed) == number && sender.send(Heard::Sifted(sifted)).is_ok()
        };
        sieve::start(number, applied.filter.clone(), pages, move || again(), tell);
    }

    /// Begins to count what was in flight when, if others times are shown, and lets those end who count what is not shown.
    fn fly(&mut self) {
        let order = self.app.order_flight();
        self.wanted_flight.store(self.app.queue.counting(), Ordering::Relaxed);
        let Some(order) = order else { return };
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.wanted_flight));
        let (number, again) = (order.number, Arc::clone(&self.again));
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |flight| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Flown(Box::new(flight)));
        };
        flight::start(order, move || again(), is_wanted, tell);
    }

    /// Begins to count what cells of the map hold, if it shows others, and lets those end who count what is not shown.
    fn chart(&mut self) {
        let order = self.app.order();
        self.charting.store(self.app.map.counting(), Ordering::Relaxed);
        let Some(order) = order else { return };
        let (sender, wanted) = (self.sender.clone(), Arc::clone(&self.charting));
        let (number, again) = (order.number, Arc::clone(&self.again));
        let is_wanted = move || wanted.load(Ordering::Relaxed) == number;
        let tell = move |chart| {
            // If nobody hears it, nobody wants it.
            let _ = sender.send(Heard::Charted(Box::new(chart)));
        };
        chart::start(order, move || again(), is_wanted, tell);
    }
}

/// Whoever writes takes away what it began, and is waited for.
impl Drop for Desk {
    fn drop(&mut self) {
        self.app.writing.stop();
        if let Some((_, thread)) = self.writer.take() {
            // It has told what went wrong.
            let _ = thread.join();
        }
    }
}
