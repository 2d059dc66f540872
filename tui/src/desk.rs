//! The state with the threads that read for it: all of the inspector but the terminal.
//!
//! Keys in, effects out; what was read is heard beside them. Invariant: nothing here waits for the trace.

mod begun;
mod counting;
mod eventing;
mod listing;
mod scouting;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::app::{App, Effect};
use crate::chart::Chart;
use crate::compare;
use crate::differ::Differ;
use crate::epochs::Counted;
use crate::events;
use crate::expert::Looked;
use crate::flight::Flight;
use crate::frequencies;
use crate::hander;
use crate::journal::Noted;
use crate::key::Key;
use crate::loader::{self, Told, Wish};
use crate::mouse::Mouse;
use crate::opened::{self, Again, Begin, Opened};
use crate::outline::{self, Outlined};
use crate::places::Found;
use crate::sieve::Sifted;
use crate::sorter;
use crate::tally::Tallied;
use crate::watch::Watch;
use crate::writer;

use scouting::Scouts;

/// What is heard.
pub(crate) enum Heard {
    Key(Key),
    /// A line, where there is no screen.
    Line(String),
    Mouse(Mouse),
    Resized,
    Told(Told),
    Sifted(Sifted),
    Charted(Box<Chart>),
    Looked(Looked),
    Counted(Counted),
    Tallied(Tallied),
    Wrote(writer::Told),
    Taken(Box<hander::Taken>),
    Frequencies(frequencies::Told),
    Sorted(sorter::Told),
    Scouted(Sifted),
    Slow(Sifted),
    Emptied(Sifted),
    Found(Found),
    Outlined(Box<Outlined>),
    Flown(Box<Flight>),
    /// Of the comparison of this number.
    Compared(u64, compare::Told),
    Events(events::Told),
    Known(events::log::Known),
    /// A thread ended by a panic, for this reason, which was noted there.
    Died(String, Noted),
    /// Somebody wants us to end.
    End,
}

/// The state, and who reads for it.
pub(crate) struct Desk {
    pub(crate) app: App,
    opened: Opened,
    /// Names the recording; `None` for a log.
    uuid: Option<u128>,
    /// Whether it is to be said how the trace grows.
    followed: Arc<AtomicBool>,
    sender: Sender<Heard>,
    heard: Receiver<Heard>,
    wishes: Sender<Vec<Wish>>,
    /// The last that were made.
    wished: Vec<Wish>,
    again: Again,
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
    /// Who looks for places to go to.
    scouts: Scouts,
    /// The number of the count that is wanted.
    wanted_tally: Arc<AtomicU64>,
    /// The last count of values that was begun with, and the number of the one that is wanted.
    frequent: (u64, Arc<AtomicU64>),
    /// The same of what is sorted.
    sorting: (u64, Arc<AtomicU64>),
    /// Who hands what is copied to a program.
    handers: Vec<JoinHandle<()>>,
    /// Who writes it, and the number of it.
    writer: Option<(u64, JoinHandle<()>)>,
    /// The number of the count of what was in flight that is wanted.
    wanted_flight: Arc<AtomicU64>,
    /// Who compares with a base, if somebody does.
    differ: Option<Differ>,
    /// To who reads events, once any were wished for.
    event_wishes: Option<Sender<Vec<events::Wish>>>,
    /// The last that were made.
    events_wished: Vec<events::Wish>,
    /// What the trace had grown to when they were made.
    events_of: u64,
}

impl Desk {
    /// Looks at a trace.
    pub(crate) fn new(opened: Opened) -> Result<Desk, Box<dyn Error + Send + Sync>> {
        if opened.log.is_some() {
            return Ok(Desk::of_log(opened));
        }
        let reader = (opened.open)()?;
        let watch = Watch::of(&opened.path);
        let again = opened::same(&opened.open, reader.uuid());
        let outlet = (opened.outlet)(reader.header());
        let (name, word) = (opened.name.clone(), opened.word.clone());
        let mut app = App::new(name, word, reader.header().clone(), outlet);
        app.live.follows = opened.follows;
        let uuid = reader.uuid();
        let (notes, wrong) = opened.notebook.notes(uuid);
        app.notes = notes;
        match opened.notebook.session(uuid).filter(|_| opened.begin == Begin::default()) {
            Some(session) if !opened.follows => app.go_on_in(&session),
            _ => app.begin(&opened.begin),
        }
        if let Some(wrong) = wrong {
            app.refuse(wrong);
        }
        let (sender, heard) = channel();
        let telling = sender.clone();
        let once_more = Arc::clone(&again);
        let tell = move |told| telling.send(Heard::Told(told)).is_ok();
        let followed = Arc::new(AtomicBool::new(opened.follows));
        let following = Arc::clone(&followed);
        let wishes = loader::start(reader, move || once_more(), watch, following, tell);
        read_outline(&sender, &again);
        let differ = opened.comparison.clone().map(|comparison| {
            app.compare_with(comparison.base(), comparison.rules_file());
            Differ::new(comparison)
        });
        let mut desk = Desk::with(app, opened, (sender, heard), wishes, again);
        desk.uuid = Some(uuid);
        desk.followed = followed;
        desk.differ = differ;
        Ok(desk)
    }

    /// Where all is heard that is not heard here any more.
    pub(crate) fn ear(&mut self) -> Receiver<Heard> {
        std::mem::replace(&mut self.heard, channel().1)
    }

    /// Remembers where one leaves off.
    pub(crate) fn leave(&self) {
        if let Some(uuid) = self.uuid {
            self.opened.notebook.leave(uuid, &self.app.session());
        }
    }

    /// Looks at the file of now, in the same way.
    pub(crate) fn anew(&self) -> Result<Desk, Box<dyn Error + Send + Sync>> {
        let mut desk = Desk::new(self.opened.clone())?;
        desk.app.go_on_as(&self.app);
        Ok(desk)
    }

    /// Waits for the next that is heard.
    #[cfg(test)]
    pub(crate) fn hear(&self) -> Result<Heard, std::sync::mpsc::RecvTimeoutError> {
        self.heard.recv_timeout(std::time::Duration::from_secs(20))
    }

    /// Takes what was heard.
    pub(crate) fn take(&mut self, heard: Heard) -> Option<Effect> {
        match heard {
            Heard::Key(key) => {
                let effect = self.app.press(key);
                return self.done_here(effect);
            }
            Heard::Line(text) => {
                let effect = self.app.obey_line(&text);
                return self.done_here(effect);
            }
            Heard::Mouse(mouse) => self.app.pointed(mouse),
            Heard::Resized => {}
            Heard::Told(told) => {
                if matches!(told, Told::Grown(_)) {
                    // What was read before it grew may be wanted again.
                    self.wished.clear();
                }
                self.app.told(told);
            }
            Heard::Sifted(sifted) => self.app.sifted(sifted),
            Heard::Charted(chart) => self.app.map.take(*chart),
            Heard::Looked(looked) => self.app.looked(looked),
            Heard::Counted(counted) => self.app.epochs.take(counted),
            Heard::Tallied(tallied) => self.app.tallied(tallied),
            Heard::Wrote(told) => self.app.wrote(told),
            Heard::Taken(taken) => self.app.taken(*taken),
            Heard::Frequencies(told) => self.app.frequencies.take(told),
            Heard::Sorted(told) => self.app.sorted(told),
            Heard::Scouted(sifted) => self.app.scouted(sifted),
            Heard::Slow(sifted) => self.app.slowed(sifted),
            Heard::Emptied(sifted) => self.app.emptied(sifted),
            Heard::Found(found) => self.app.placed(found),
            Heard::Outlined(outlined) => self.app.outline.take(*outlined),
            Heard::Flown(flight) => self.app.queue.take(*flight),
            Heard::Compared(number, told) => self.app.compared(number, told),
            Heard::Events(told) => self.app.told_of_events(told),
            Heard::Known(known) => {
                let is_doubted = matches!(known, events::log::Known::Doubted);
                self.app.known(known);
                if is_doubted {
                    self.read_log(false);
                }
            }
            Heard::Died(why, noted) => self.app.died(&why, &noted),
            Heard::End => return Some(Effect::Quit),
        }
        None
    }

    /// Keeps a note, or hands what is copied to a program, if that is what is asked for.
    fn done_here(&mut self, effect: Option<Effect>) -> Option<Effect> {
        match effect {
            Some(Effect::Note(id, text)) => {
                let uuid = self.uuid.unwrap_or_default();
                let kept = self.opened.notebook.write(uuid, id.0, &text);
                self.app.noted(id, text, kept.as_deref().map_err(Clone::clone));
                None
            }
            Some(Effect::Hand(handed)) => {
                let sender = self.sender.clone();
                let tell = move |taken| {
                    // If nobody hears it the screen is gone.
                    let _ = sender.send(Heard::Taken(Box::new(taken)));
                };
                self.handers.retain(|thread| !thread.is_finished());
                self.handers.push(hander::start(handed, hander::PATIENCE, tell));
                None
            }
            effect => effect,
        }
    }

    /// Says what the state wishes to be read now.
    pub(crate) fn wish(&mut self) {
        self.wish_events();
        if self.app.log.is_some() {
            return;
        }
        self.followed.store(self.app.live.is_looked_at(), Ordering::Relaxed);
        if self.app.outline.begin_again(self.app.live.growth()) {
            read_outline(&self.sender, &self.again);
        }
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
        self.count_values();
        self.sort();
        if let Some(differ) = &mut self.differ {
            differ.wish(&mut self.app, &self.sender);
        }
    }
}

/// Whoever writes takes away what it began, and is waited for; so is who copies, which does not take long.
impl Drop for Desk {
    fn drop(&mut self) {
        self.app.writing.stop();
        if let Some((_, thread)) = self.writer.take() {
            // It has told what went wrong.
            let _ = thread.join();
        }
        for thread in self.handers.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Reads what summaries say.
fn read_outline(sender: &Sender<Heard>, again: &Again) {
    let (telling, once_more) = (sender.clone(), Arc::clone(again));
    let tell = move |outlined| telling.send(Heard::Outlined(Box::new(outlined))).is_ok();
    outline::start(move || once_more(), tell);
}
