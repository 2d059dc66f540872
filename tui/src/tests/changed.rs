//! A file that is cut, replaced or removed while it is open and views are counted, and several traces side by side.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blkreplay_fixtures::native;
use blkreplay_fixtures::story::{self, REQUESTS};
use tempfile::TempDir;

use super::Inspector;
use crate::app::Effect;
use crate::desks::Desks;
use crate::key::Key;
use crate::settings::Settings;
use crate::view;

const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A trace in a directory of its own.
fn holding(trace: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.blkr");
    fs::write(&path, trace).unwrap();
    (directory, path)
}

impl Inspector {
    fn banner(&self) -> &str {
        self.desk.app.banner.as_deref().unwrap_or_default()
    }

    /// Takes what comes until the banner says this.
    #[track_caller]
    fn wait_for_banner(&mut self, text: &str) {
        let end = Instant::now() + TIME_LIMIT;
        while !self.banner().contains(text) {
            assert!(Instant::now() < end, "waited for {text}; the banner is {}", self.banner());
            self.terminal.draw(|frame| view::draw(&mut self.desk.app, frame)).unwrap();
            self.desk.wish();
            let heard = self.desk.hear().unwrap();
            assert_eq!(self.desk.take(heard), None);
        }
        self.terminal.draw(|frame| view::draw(&mut self.desk.app, frame)).unwrap();
    }
}

/// Looks at all views in turn, with and without a filter, whatever the file is by then.
fn look_around(inspector: &mut Inspector) {
    for key in ["5", "6", "9", "3", "2", "4", "1"] {
        inspector.press(key);
        inspector.press("G space b g e");
        assert!(!inspector.screen().trim().is_empty());
    }
    inspector.press("f 'lat > p90(lat)' enter");
    inspector.press("backspace");
}

#[test]
fn a_file_that_becomes_shorter_while_views_are_counted_is_told_and_can_be_opened_anew() {
    let (_directory, path) = holding(&native::many_chunks(300));
    let mut inspector = Inspector::of(&path, 100, 30);
    let before = inspector.shown();
    inspector.desk.app.press("5".parse().unwrap());
    inspector.desk.wish();
    let length = path.metadata().unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    inspector.wait_for_banner("the file became shorter while it was open");
    look_around(&mut inspector);
    assert!(inspector.banner().contains("ctrl-l opens it anew"), "{}", inspector.banner());
    assert_eq!(inspector.shown(), before, "what was known stays");
    inspector.press("2");
    inspector.desk.app.requests.go(100);
    assert_eq!(inspector.press("ctrl-l"), Some(Effect::Reopen));
    inspector.desk = inspector.desk.anew().unwrap();
    inspector.settle();
    assert!(inspector.shown() > 0 && inspector.shown() < before);
    assert_eq!(inspector.desk.app.requests.focus(), 100, "one is where one was");
    assert_eq!(inspector.desk.app.view, crate::action::View::Map);
    assert!(!inspector.banner().contains("became shorter"), "{}", inspector.banner());
}

#[test]
fn a_file_with_another_trace_in_its_place_is_told_and_never_mixed_with_the_one_of_before() {
    let (directory, path) = holding(&story::trace());
    let mut inspector = Inspector::of(&path, 100, 30);
    inspector.desk.app.press("6".parse().unwrap());
    inspector.desk.wish();
    let other = directory.path().join("other");
    fs::write(&other, native::many_chunks(50)).unwrap();
    fs::rename(other, &path).unwrap();
    inspector.wait_for_banner("the file was replaced while it was open");
    look_around(&mut inspector);
    assert_eq!(inspector.shown(), REQUESTS);
    inspector.press("f 'write' enter");
    let error = inspector.desk.app.filtering.applied.as_ref().unwrap().error.clone().unwrap();
    assert!(error.contains("another trace is there now"), "{error}");
    inspector.press("backspace");
    inspector.desk = inspector.desk.anew().unwrap();
    inspector.settle();
    assert_eq!(inspector.shown(), 50);
}

#[test]
fn another_trace_that_is_written_into_the_file_is_not_counted_as_this_one() {
    let (_directory, path) = holding(&native::many_chunks(20));
    let mut inspector = Inspector::of(&path, 100, 30);
    fs::write(&path, story::trace()).unwrap();
    inspector.press("5");
    let told = inspector.desk.app.tallying.told().unwrap();
    let error = told.error.clone().unwrap();
    assert!(error.contains("another trace is there now"), "{error}");
}

#[test]
fn a_file_that_is_removed_is_told_and_what_was_read_stays() {
    let (_directory, path) = holding(&story::trace());
    let mut inspector = Inspector::of(&path, 100, 30);
    inspector.desk.app.press("9".parse().unwrap());
    inspector.desk.wish();
    fs::remove_file(&path).unwrap();
    inspector.wait_for_banner("the file was removed while it was open");
    look_around(&mut inspector);
    assert_eq!(inspector.shown(), REQUESTS);
    assert!(inspector.desk.anew().is_err());
    assert!(inspector.screen().contains("the file was removed"), "{}", inspector.screen());
}

fn desks(paths: &[&Path]) -> Desks {
    let opened = paths.iter().map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        Inspector::opened(path, name)
    });
    Desks::new(opened.collect(), &Settings::default()).unwrap()
}

/// Presses keys and takes what is read until it is as wanted.
fn press_until(desks: &mut Desks, keys: &str, mut wanted: impl FnMut(&mut Desks) -> bool) {
    for key in keys.split_whitespace() {
        let key: Key = key.parse().unwrap();
        match desks.take((None, crate::desk::Heard::Key(key))) {
            Some(Effect::Other) => desks.other(),
            effect => assert_eq!(effect, None),
        }
        desks.wish();
    }
    let end = Instant::now() + TIME_LIMIT;
    while !wanted(desks) {
        assert!(Instant::now() < end, "waited for what {keys} does");
        let Ok(heard) = desks.hear_within(std::time::Duration::from_secs(20)) else {
            panic!("nothing came of {keys}")
        };
        assert_eq!(desks.take(heard), None);
        desks.wish();
    }
}

#[test]
fn of_two_traces_each_keeps_its_own_focus_and_filter() {
    let (_one, story) = holding(&story::trace());
    let (_other, chunks) = holding(&native::many_chunks(40));
    let mut desks = desks(&[&story, &chunks]);
    press_until(&mut desks, "e", |desks| {
        desks.shown().app.requests.focused().is_some_and(|row| row.id.0 == story::FAILED)
    });
    desks.shown().app.run("filter write");
    press_until(&mut desks, "X", |desks| desks.shown().app.requests.len() == 40);
    let app = &desks.shown().app;
    assert_eq!((app.requests.focus(), app.filtering.text()), (0, ""));
    assert_eq!(app.beside, Some((2, 2, "t.blkr".to_owned())));
    press_until(&mut desks, "j j X", |desks| desks.shown().app.requests.len() == REQUESTS);
    let app = &desks.shown().app;
    assert_eq!((app.requests.focus(), app.filtering.text()), (story::FAILED, "write"));
    press_until(&mut desks, "X", |desks| desks.shown().app.requests.focus() == 2);
}

#[test]
fn with_one_trace_there_is_no_other() {
    let mut inspector = Inspector::new(100, 30);
    assert_eq!(inspector.press("X"), None);
    assert!(inspector.message().contains("no other trace is open"), "{}", inspector.message());
}
