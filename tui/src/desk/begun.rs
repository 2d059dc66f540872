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
        let Opened { name, word, log, .. } = opened.clone();
        let mut app = App::of_log(name, word, log.as_ref());
        app.begin(&opened.begin);
        let again: Again = Arc::new(|| Err("a QEMU log is no trace".into()));
        // Nobody reads requests: there are none.
        let mut desk = Desk::with(app, opened, (sender.clone(), heard), channel().0, again);
        let telling = sender.clone();
        let tell = move |told| telling.send(Heard::Events(told)).is_ok();
        let known = move |known| sender.send(Heard::Known(known)).is_ok();
        desk.event_wishes = log.map(|log| events::log::start(&log, tell, known));
        desk
    }
}
