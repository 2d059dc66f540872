//! A desk that nothing was read for yet, and one for a QEMU log, of which events are read and no requests.
//!
//! Invariant: of a log no thread reads requests.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::scouting::Scouts;
use super::{Desk, Heard};
use crate::app::App;
use crate::events;
use crate::loader::Wish;
use crate::opened::{Again, Opened};

impl Desk {
    /// With these parts, before anything was wished for.
    pub(super) fn with(
        app: App,
        opened: Opened,
        (sender, heard): (Sender<Heard>, Receiver<Heard>),
        wishes: Sender<Vec<Wish>>,
        again: Again,
    ) -> Desk {
        Desk {
            app,
            opened,
            uuid: None,
            followed: Arc::default(),
            sender,
            heard,
            wishes,
            wished: Vec::new(),
            again,
            wanted: Arc::default(),
            charting: Arc::default(),
            looked: 0,
            looking: Arc::default(),
            counted: 0,
            counting: Arc::default(),
            scouts: Scouts::default(),
            wanted_tally: Arc::default(),
            frequent: <_>::default(),
            sorting: <_>::default(),
            handers: Vec::new(),
            writer: None,
            wanted_flight: Arc::default(),
            differ: None,
            event_wishes: None,
            events_wished: Vec::new(),
            events_of: 0,
        }
    }

    /// Looks at a QEMU log.
    pub(super) fn of_log(opened: Opened) -> Desk {
        let (sender, heard) = channel();
        let (name, word) = (opened.name.clone(), opened.word.clone());
        let mut app = App::of_log(name, word, opened.log.as_ref());
        app.begin(&opened.begin);
        let again: Again = Arc::new(|| Err("a QEMU log is no trace".into()));
        // Nobody reads requests: there are none.
        let mut desk = Desk::with(app, opened, (sender, heard), channel().0, again);
        desk.read_log(true);
        desk
    }

    /// Reads the log; what was known of it before is taken if `recalls`.
    pub(super) fn read_log(&mut self, recalls: bool) {
        let Some(log) = &self.opened.log else { return };
        let (telling, sender) = (self.sender.clone(), self.sender.clone());
        let tell = move |told| telling.send(Heard::Events(told)).is_ok();
        let known = move |known| sender.send(Heard::Known(known)).is_ok();
        let (wishes, at_once) = events::log::start(log, recalls, tell, known);
        self.event_wishes = Some(wishes);
        self.events_wished.clear();
        for known in at_once {
            self.app.known(known);
        }
    }
}
