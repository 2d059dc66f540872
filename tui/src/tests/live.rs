//! A trace that is being recorded, in the inspector: it grows while keys are pressed, and its recording ends.

use std::fs::{File, OpenOptions};
use std::io::{Cursor, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use blkreplay_core::format::Reader;
use blkreplay_core::open;
use blkreplay_core::view::Pages;
use blkreplay_fixtures::story::{self, REQUESTS};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tempfile::NamedTempFile;

use super::Inspector;
use crate::desk::Desk;
use crate::events::{Release, Told};
use crate::state::cell::Cell;
use crate::state::live::Recording;
use crate::view;

/// Longer than anything here takes on a slow machine.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A recording of the story that got so far, and who has it.
struct Recorder {
    file: NamedTempFile,
    writer: File,
    whole: Vec<u8>,
    written: usize,
}

impl Recorder {
    /// The first bytes of the whole, and the file is held as recorders hold it.
    fn begin(part: usize) -> Recorder {
        Recorder::of(story::trace(), part)
    }

    /// The same of a trace.
    fn of(whole: Vec<u8>, part: usize) -> Recorder {
        let file = NamedTempFile::new().unwrap();
        let writer = OpenOptions::new().append(true).open(file.path()).unwrap();
        writer.lock().unwrap();
        let mut recorder = Recorder { file, writer, whole, written: 0 };
        let header = |end: &usize| Reader::open(Cursor::new(&recorder.whole[..*end])).is_ok();
        let header = (0..recorder.whole.len()).find(header).unwrap();
        recorder.write_to(header.max(recorder.whole.len() * part / 10));
        recorder
    }

    fn write_to(&mut self, end: usize) {
        self.writer.write_all(&self.whole[self.written..end]).unwrap();
        self.written = end;
    }

    /// So many tenths are there now.
    fn reach(&mut self, part: usize) {
        self.write_to(self.whole.len() * part / 10);
    }

    /// Writes the rest and lets go of the file.
    fn end(mut self) -> NamedTempFile {
        self.reach(10);
        self.file
    }

    /// How many requests are there.
    fn requests(&self) -> u64 {
        Pages::new(open::trace(self.path()).unwrap()).unwrap().requests()
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn inspector(&self, follows: bool) -> Inspector {
        let opened =
            crate::opened::Opened { follows, ..Inspector::opened(self.path(), "boot.blkr") };
        let desk = Desk::new(opened).unwrap();
        let terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        let mut inspector = Inspector { desk, _file: None, terminal };
        inspector.settle();
        inspector
    }
}

impl Inspector {
    /// Draws, and takes what is read, until it is as wanted.
    #[track_caller]
    fn wait_until(&mut self, what: &str, mut wanted: impl FnMut(&Inspector) -> bool) {
        let end = Instant::now() + TIME_LIMIT;
        loop {
            self.terminal.draw(|frame| view::draw(&mut self.desk.app, frame)).unwrap();
            self.desk.wish();
            if wanted(self) {
                return;
            }
            assert!(Instant::now() < end, "waited for {what}; the screen is\n{}", self.screen());
            let Ok(heard) = self.desk.hear() else {
                panic!("nothing came, and {what} was waited for:\n{}", self.screen());
            };
            assert_eq!(self.desk.take(heard), None);
        }
    }

    fn is_at_last(&self) -> bool {
        let requests = &self.desk.app.requests;
        requests.shown() > 0 && requests.is_at_last()
    }

    /// A line of the screen.
    fn says(&self, text: &str) -> bool {
        self.screen().lines().any(|line| line.contains(text))
    }
}

#[test]
fn a_trace_that_is_recorded_is_not_called_damaged_and_says_which_key_follows_it() {
    let recorder = Recorder::begin(5);
    let mut inspector = recorder.inspector(false);
    inspector.wait_until("the word for it", |inspector| inspector.says("F follows it"));
    assert_eq!(inspector.desk.app.banner, None);
    let before = inspector.shown();
    assert!(before > 0 && before < REQUESTS);
    assert_eq!(inspector.focused(), 0, "nobody was taken along");
    inspector.press("F");
    assert!(inspector.is_at_last());
    let _file = recorder.end();
    inspector.wait_until("all of it", |inspector| inspector.shown() == REQUESTS);
}

#[test]
fn a_trace_whose_recorder_was_killed_is_said_to_be_cut() {
    let recorder = Recorder::begin(5);
    let Recorder { file, writer, .. } = recorder;
    drop(writer);
    let mut inspector = Inspector::of(file.path(), 100, 30);
    inspector.wait_until("the banner", |inspector| inspector.desk.app.banner.is_some());
    assert_eq!(inspector.desk.app.live.recording, Recording::Left);
    assert!(!inspector.says("F follows it"), "{}", inspector.screen());
}

#[test]
fn who_is_at_the_last_request_is_taken_along_and_who_moved_up_is_not() {
    let mut recorder = Recorder::begin(1);
    let mut inspector = recorder.inspector(true);
    recorder.reach(4);
    inspector.wait_until("some requests", |inspector| inspector.shown() > 50);
    inspector.wait_until("the last of them", Inspector::is_at_last);
    assert!(inspector.says("~ follow: on"), "{}", inspector.screen());
    inspector.press("k k");
    let (focused, before) = (inspector.focused(), inspector.shown());
    assert!(inspector.says("follow: paused, G goes on"), "{}", inspector.screen());
    recorder.reach(7);
    inspector.wait_until("more", |inspector| inspector.shown() > before);
    assert_eq!(inspector.focused(), focused);
    inspector.press("G");
    let before = inspector.shown();
    let file = recorder.end();
    inspector.wait_until("the rest", |inspector| inspector.shown() == REQUESTS);
    assert!(before < REQUESTS && inspector.is_at_last());
    inspector
        .wait_until("the end", |inspector| inspector.message().contains("the recording ended"));
    assert!(!inspector.desk.app.live.follows && inspector.desk.app.growing().is_none());
    inspector.press("F");
    assert_eq!(inspector.message(), "the recording has ended: there is nothing to follow");
    drop(file);
}

#[test]
fn a_request_whose_end_comes_later_is_shown_with_it() {
    let mut recorder = Recorder::begin(3);
    let mut inspector = recorder.inspector(true);
    let waits = |inspector: &Inspector| {
        let requests = &inspector.desk.app.requests;
        let open = |place: &u64| requests.row(*place).is_some_and(|row| row.completion.is_none());
        requests.on_screen().into_iter().find(open)
    };
    let mut seen = None;
    for part in 4..10 {
        seen = seen.or_else(|| waits(&inspector));
        recorder.reach(part);
        let there = recorder.requests();
        inspector.wait_until("what is there", |inspector| inspector.shown() == there);
        inspector.settle();
    }
    let _file = recorder.end();
    inspector.wait_until("the rest", |inspector| inspector.shown() == REQUESTS);
    inspector.settle();
    let place = seen.expect("a request that waits where a chunk ends");
    inspector.press(&format!(": '{place}' enter"));
    let completion = inspector.desk.app.requests.focused().unwrap().completion.clone();
    assert!(completion.is_some(), "#{place}");
}

#[test]
fn what_came_after_the_list_is_not_sorted_into_it() {
    let mut recorder = Recorder::begin(5);
    let mut inspector = recorder.inspector(false);
    inspector.wait_until("the word for it", |inspector| inspector.says("F follows it"));
    let before = inspector.shown();
    recorder.reach(9);
    assert!(recorder.requests() > before);
    inspector.desk.app.cell = Cell::Id;
    inspector.press("O");
    assert_eq!((inspector.shown(), inspector.focused()), (before, before - 1));
    assert_eq!(inspector.message(), "sorted by id; O goes back");
    let requests = &inspector.desk.app.requests;
    assert!(requests.on_screen().iter().all(|place| requests.row(*place).is_some()));
}

#[test]
fn filters_go_on_over_what_comes_and_find_what_one_of_the_whole_finds() {
    for text in ["write", "lat > 1ms || err", "lat > p90(lat)"] {
        let mut recorder = Recorder::begin(3);
        let mut inspector = recorder.inspector(true);
        inspector.press(&format!("f '{text}' enter"));
        assert!(inspector.says("~"), "{}", inspector.screen());
        let before = inspector.shown();
        recorder.reach(6);
        inspector.wait_until("more of them", |inspector| inspector.shown() > before);
        inspector.wait_until("the last of them", Inspector::is_at_last);
        let file = recorder.end();
        inspector.wait_until("the end", |inspector| {
            inspector.desk.app.live.recording == Recording::Ended
        });
        let mut whole = Inspector::of(file.path(), 100, 30);
        whole.press(&format!("f '{text}' enter"));
        let found = |inspector: &Inspector| {
            inspector.desk.app.filtering.applied.as_ref().unwrap().found.clone()
        };
        inspector.wait_until("all of them", |inspector| found(inspector) == found(&whole));
        inspector.wait_until("an exact count", |inspector| {
            let exact = format!(" {} of 600", found(&whole).len());
            inspector.says(&exact)
        });
    }
}

#[test]
fn sums_of_views_are_marked_until_the_end_and_are_those_of_the_whole_then() {
    let whole = {
        let mut inspector = Inspector::new(100, 30);
        let pictures = ["5", "6", "9", "3", "2"].map(|key| {
            inspector.press(key);
            inspector.screen()
        });
        pictures.map(|picture| picture.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
    };
    for (key, whole) in ["5", "6", "9", "3", "2"].into_iter().zip(whole) {
        let mut recorder = Recorder::begin(5);
        let mut inspector = recorder.inspector(true);
        assert!(inspector.shown() > 0);
        inspector.press("g");
        inspector.press(key);
        assert!(inspector.says("~"), "{}", inspector.screen());
        recorder.reach(8);
        inspector.wait_until("more", |inspector| inspector.desk.app.live.growth() > 0);
        let _file = recorder.end();
        inspector.wait_until("the sums of all", |inspector| {
            let picture = inspector.screen();
            let mut lines =
                picture.lines().skip(1).filter(|line| !line.contains("recording ended"));
            whole
                .iter()
                .filter(|line| !line.contains("? help"))
                .all(|line| lines.any(|of| of == line))
        });
    }
}

/// What is kept of checkpoints: their first events and the requests that they completed.
fn checkpoints(inspector: &Inspector) -> Vec<(u64, Vec<u64>)> {
    let ids = |row: &Release| row.completed.iter().map(|one| one.id.0).collect();
    inspector.desk.app.checkpoints.rows().map(|row| (row.first, ids(row))).collect()
}

#[test]
fn checkpoints_stay_while_a_trace_grows_and_are_those_of_the_whole_at_its_end() {
    let trace = story::released();
    let file = super::growing::file(&trace);
    let mut whole = Inspector::of(file.path(), 100, 500);
    whole.press("7");
    let whole = checkpoints(&whole);
    assert!(whole.len() > 100, "only {}", whole.len());
    // Where each chunk of events ends another begins, but for the last.
    let mut reader = Reader::open(Cursor::new(&trace)).unwrap();
    let chunks = reader.chunk_entries().unwrap().iter().filter(|entry| entry.holds_events);
    let mut ends: Vec<_> = chunks.map(|entry| usize::try_from(entry.offset).unwrap()).collect();
    ends.push(trace.len());
    assert!(ends.len() > 4, "{ends:?}");
    for (keys, follows) in [("g 7", false), ("7", true)] {
        let mut recorder = Recorder::of(trace.clone(), 0);
        recorder.write_to(ends[1]);
        let mut inspector = recorder.inspector(follows);
        inspector.terminal.backend_mut().resize(100, 500);
        inspector.press(keys);
        inspector.desk.app.live.follows = true;
        let mut known = checkpoints(&inspector);
        assert!(!known.is_empty(), "{keys}");
        for end in &ends[2..] {
            recorder.write_to(*end);
            let before = known.len();
            inspector.wait_until("more checkpoints", |inspector| {
                let known = inspector.desk.app.checkpoints.rows().count();
                assert!(known >= before, "{keys}: {known} of {before} stayed");
                known > before
            });
            known = checkpoints(&inspector);
        }
        assert_eq!(known, whole, "{keys}");
    }
}

#[test]
fn events_that_could_not_be_read_are_tried_again_once_the_trace_has_grown() {
    let mut recorder = Recorder::of(story::released(), 3);
    let mut inspector = recorder.inspector(true);
    inspector.terminal.backend_mut().resize(100, 500);
    inspector.press("7");
    let before = checkpoints(&inspector).len();
    let error = "events cannot be read: not now".to_owned();
    inspector.desk.app.told_of_events(Told::Unreadable(error.clone()));
    assert_eq!(inspector.desk.app.banner, Some(error));
    recorder.reach(6);
    inspector.wait_until("more checkpoints", |inspector| {
        inspector.desk.app.checkpoints.rows().count() > before
    });
    assert_eq!(inspector.desk.app.events.error, None);
    assert_eq!(inspector.desk.app.banner, None);
}

#[test]
fn summaries_are_read_again_when_a_trace_has_grown() {
    let recorder = Recorder::begin(4);
    let mut inspector = recorder.inspector(true);
    let said = |inspector: &Inspector| inspector.desk.app.outline.sum(|count| count.issues);
    let before = said(&inspector);
    assert!(before > 0 && before < REQUESTS, "{before}");
    let _file = recorder.end();
    inspector.wait_until("summaries of all", |inspector| said(inspector) == REQUESTS);
}
