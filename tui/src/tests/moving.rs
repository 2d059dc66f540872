//! Moving does not wait for whoever goes over the trace: all of them are held up here, and keys are answered.

use std::sync::{Arc, Condvar, Mutex};

use blkreplay_core::open;
use blkreplay_fixtures::story::{self, REQUESTS};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::Inspector;
use super::growing::file;
use crate::desk::Desk;
use crate::opened::Opened;
use crate::view;

/// Whoever opens the trace waits for as long as this is closed.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, is_closed: bool) {
        *self.is_closed.lock().unwrap() = is_closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let closed = self.is_closed.lock().unwrap();
        drop(self.changed.wait_while(closed, |is_closed| *is_closed).unwrap());
    }
}

/// Draws and takes what is read until the focused request is there.
fn until_read(inspector: &mut Inspector) {
    loop {
        inspector.terminal.draw(|frame| view::draw(&mut inspector.desk.app, frame)).unwrap();
        inspector.desk.wish();
        if inspector.desk.app.requests.focused().is_some() {
            return;
        }
        let heard = inspector.desk.hear().unwrap();
        assert_eq!(inspector.desk.take(heard), None);
    }
}

#[test]
fn keys_are_answered_while_everything_that_counts_is_held_up() {
    let trace = file(&story::trace());
    let gate = Arc::new(Gate::default());
    let (path, held) = (trace.path().to_owned(), Arc::clone(&gate));
    let open = Arc::new(move || {
        held.pass();
        Ok(open::trace(&path)?)
    });
    let opened = Opened { open, ..Inspector::opened(trace.path(), "boot.blkr") };
    let desk = Desk::new(opened).unwrap();
    let terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    let mut inspector = Inspector { desk, _file: None, terminal };
    inspector.settle();
    gate.set(true);
    for key in ["2", "3", "4", "5", "6", "9", "z"] {
        inspector.desk.app.press(key.parse().unwrap());
        until_read(&mut inspector);
    }
    inspector.desk.app.press("1".parse().unwrap());
    for (key, id) in [("G", REQUESTS - 1), ("k", REQUESTS - 2), ("g", 0), ("j", 1)] {
        inspector.desk.app.press(key.parse().unwrap());
        until_read(&mut inspector);
        assert_eq!(inspector.focused(), id, "{key}");
        let app = &inspector.desk.app;
        assert!(app.tallying.goes_on() && app.findings.goes_on(), "{key}");
        assert!(app.tallying.told().is_none(), "nothing was counted");
    }
    gate.set(false);
    inspector.settle();
    inspector.press("5");
    assert!(inspector.desk.app.tallying.is_exact());
}
