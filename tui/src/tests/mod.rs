//! The inspector without a terminal: keys are pressed, and state and pictures are looked at once all is read that was wished for.

mod changed;
mod checkpoints;
mod columns;
mod detail;
mod diff;
mod diff_answers;
mod diff_counts;
mod diff_keys;
mod diff_screens;
mod emptied;
mod epochs;
mod event_screens;
mod events;
mod findings;
mod first;
mod frequencies;
mod going;
mod growing;
mod handing;
mod help;
mod keys;
mod latency;
mod live;
mod log_index;
mod logs;
mod look;
mod map;
mod map_keys;
mod marks;
mod mouse;
mod moving;
mod notes;
mod outlet;
mod panes;
mod partial;
mod pictures;
mod plain;
mod points;
mod queue;
mod screens;
mod searching;
mod selecting;
mod settings;
mod sifting;
mod slow;
mod sorting;
mod stats;
mod timeline;
mod trail;
mod writing;

use std::path::Path;
use std::sync::Arc;

use blkreplay_core::open;
use blkreplay_core::qemu::{Layout, LogReader};
use blkreplay_fixtures::story;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tempfile::NamedTempFile;

use crate::app::Effect;
use crate::compare::Comparison;
use crate::desk::Desk;
use crate::events::log::{Bounds, IndexFile, Log, OpenLog};
use crate::journal::Journal;
use crate::key::Key;
use crate::notebook::Notebook;
use crate::opened::{Begin, Opened};
use crate::view;

/// The inspector on a screen of this size.
struct Inspector {
    desk: Desk,
    /// The trace, for as long as it is looked at.
    _file: Option<NamedTempFile>,
    terminal: Terminal<TestBackend>,
}

impl Inspector {
    /// Looks at the trace of the story.
    fn new(width: u16, height: u16) -> Inspector {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), story::trace()).unwrap();
        let inspector = Inspector::of(file.path(), width, height);
        Inspector { _file: Some(file), ..inspector }
    }

    /// Looks at a trace that is compared with a base.
    fn comparing(
        path: &Path,
        (width, height): (u16, u16),
        comparison: Arc<dyn Comparison>,
    ) -> Inspector {
        let opened = Inspector::opened(path, "boot.blkr");
        Inspector::at(Opened { comparison: Some(comparison), ..opened }, width, height)
    }

    /// Looks at a trace.
    fn of(path: &Path, width: u16, height: u16) -> Inspector {
        Inspector::at(Inspector::opened(path, "boot.blkr"), width, height)
    }

    fn at(opened: Opened, width: u16, height: u16) -> Inspector {
        let desk = Desk::new(opened).unwrap();
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut inspector = Inspector { desk, _file: None, terminal };
        inspector.settle();
        inspector
    }

    /// How to look at a trace.
    fn opened(path: &Path, name: &str) -> Opened {
        let (at, written) = (path.to_owned(), path.to_owned());
        Opened {
            name: name.to_owned(),
            word: name.to_owned(),
            path: path.to_owned(),
            open: Arc::new(move || Ok(open::trace(&at)?)),
            outlet: Arc::new(move |_| Arc::new(outlet::Plain::of(&written))),
            follows: false,
            comparison: None,
            log: None,
            begin: Begin::default(),
            notebook: Notebook::default(),
        }
    }

    /// Looks at a QEMU log.
    fn of_log(log: &[u8], label: &str, width: u16, height: u16) -> Inspector {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), log).unwrap();
        let opened = Inspector::opened_log(file.path(), label, None, Bounds::default());
        Inspector { _file: Some(file), ..Inspector::at(opened, width, height) }
    }

    /// How to look at a QEMU log, of which is kept in a folder what is known.
    fn opened_log(path: &Path, label: &str, folder: Option<&Path>, bounds: Bounds) -> Opened {
        let layout = Layout::named(label).unwrap();
        let reader = LogReader::new(open::file(path).unwrap(), layout).unwrap();
        let at = path.to_owned();
        let open: OpenLog = Arc::new(move || Ok(open::file(&at)?));
        let index = IndexFile {
            folder: folder.map(|folder| folder.join("blkreplay")),
            journal: Journal::at(folder.map(|folder| folder.join("inspect.log"))),
            log: path.to_owned(),
            forced: None,
            open: Arc::clone(&open),
            bounds,
        };
        let log = Log { header: reader.header(), layout, is_forced: false, open, index };
        Opened { log: Some(log), ..Inspector::opened(path, "vm.rr") }
    }

    /// Draws, and takes what is read, until nothing is wished for any more.
    fn settle(&mut self) {
        loop {
            self.terminal.draw(|frame| view::draw(&mut self.desk.app, frame)).unwrap();
            self.desk.wish();
            if self.desk.app.is_settled() {
                return;
            }
            let heard = self.desk.hear().unwrap();
            assert_eq!(self.desk.take(heard), None);
        }
    }

    /// Presses keys, by their names with spaces between; text that is typed stands in quotes. What came of the last.
    fn press(&mut self, keys: &str) -> Option<Effect> {
        let mut effect = None;
        for (place, part) in keys.split('\'').enumerate() {
            let pressed: Vec<Key> = if place % 2 == 0 {
                part.split_whitespace().map(|name| name.parse().unwrap()).collect()
            } else {
                part.chars().map(Key::char).collect()
            };
            for key in pressed {
                effect = self.desk.app.press(key);
                self.settle();
            }
        }
        effect
    }

    fn focused(&self) -> u64 {
        self.desk.app.requests.focused().unwrap().id.0
    }

    fn shown(&self) -> u64 {
        self.desk.app.requests.shown()
    }

    fn message(&self) -> &str {
        self.desk.app.message.as_ref().map_or("", |message| &message.text)
    }

    fn buffer(&self) -> &Buffer {
        self.terminal.backend().buffer()
    }

    /// The lines of the screen.
    fn screen(&self) -> String {
        let buffer = self.buffer();
        let lines = buffer.content.chunks(usize::from(buffer.area.width));
        let line = |cells: &[ratatui::buffer::Cell]| {
            let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            format!("{}\n", text.trim_end())
        };
        lines.map(line).collect()
    }
}
