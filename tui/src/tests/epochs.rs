//! Epochs: sums that agree with those of core's statistics; going to them, filtering by them.

use std::io::Cursor;
use std::path::Path;

use blkreplay_core::format::Reader;
use blkreplay_core::request::Operation;
use blkreplay_core::rows::Rows;
use blkreplay_core::view::stats::Stats;
use blkreplay_fixtures::path;
use blkreplay_fixtures::story::{self, REQUESTS};

use super::Inspector;
use super::growing::{damaged, file};
use crate::action::View;
use crate::epochs::Epoch;

/// The sums of all epochs agree with core's statistics of the same trace.
#[track_caller]
fn agrees(path: &Path) -> usize {
    let mut stats = Stats::new(vec![512; 8]);
    let trace = std::fs::read(path).unwrap();
    let mut rows = Rows::new(Reader::open(Cursor::new(trace)).unwrap());
    while let Some(row) = rows.next_row().unwrap() {
        stats.count(&row);
    }
    stats.finish();
    let mut inspector = Inspector::of(path, 120, 40);
    inspector.press("6");
    let epochs = inspector.desk.app.epochs.all().to_vec();
    let sum = |of: fn(&Epoch) -> u64| epochs.iter().map(of).sum::<u64>();
    let (writes, zeroes) = (stats.of(Operation::Write), stats.of(Operation::WriteZeroes));
    assert_eq!(sum(|epoch| epoch.requests), stats.sum(|tally| tally.requests));
    assert_eq!(sum(|epoch| epoch.writes), writes.requests + zeroes.requests);
    assert_eq!(sum(|epoch| epoch.written), writes.bytes_done + zeroes.bytes_done);
    assert_eq!(epochs.len() as u64, stats.discipline().epochs);
    inspector.press("g");
    for (at, epoch) in epochs.iter().enumerate() {
        if at > 0 {
            inspector.press("j");
        }
        let row = inspector.desk.app.requests.focused().unwrap();
        assert_eq!((row.device, row.epoch), epoch.key, "{epoch:?}");
        assert_eq!(row.time, epoch.began, "{epoch:?}");
    }
    epochs.len()
}

#[test]
fn epochs_add_up_to_the_statistics_and_begin_at_their_first_requests() {
    let story = file(&story::trace());
    assert_eq!(agrees(story.path()) as u64, REQUESTS / 10);
    for name in ["guest", "sessions", "operations", "two-devices", "later", "indexed", "columns"] {
        agrees(&path(&format!("native/{name}.blkr")));
    }
    let whole = story::trace();
    let cut = file(&whole[..whole.len() * 2 / 3]);
    agrees(cut.path());
}

#[test]
fn an_epoch_says_how_long_it_took_and_how_long_its_flush_did() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press(": '121' enter 6");
    let screen = inspector.screen();
    let line = screen.lines().find(|line| line.starts_with('>')).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..3], [">", "11", "10"], "{line}");
    let epoch = &inspector.desk.app.epochs.all()[11];
    let flush = inspector.desk.app.epochs.flush(epoch.key).unwrap();
    assert_eq!((flush.latency.0, flush.result), (900_000, Ok(())));
    assert_eq!(inspector.desk.app.epochs.took(epoch), Some(flush.at.since(epoch.began)));
}

#[test]
fn behind_what_is_damaged_epochs_go_on_with_their_numbers() {
    let damaged = file(&damaged());
    let mut inspector = Inspector::of(damaged.path(), 80, 24);
    inspector.press("6 G");
    let app = &inspector.desk.app;
    assert_eq!(app.epochs.error, None);
    let last = app.epochs.all().last().unwrap();
    assert_eq!(last.key.1, REQUESTS / 10 - 1, "{last:?}");
    let counted: u64 = app.epochs.all().iter().map(|epoch| epoch.requests).sum();
    assert!(counted < REQUESTS, "{counted}");
    assert_eq!(app.requests.focused().map(|row| row.epoch), Some(last.key.1));
}

#[test]
fn enter_goes_to_the_first_request_of_an_epoch_and_a_filter_is_made_of_it() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("6 G k");
    let epoch = inspector.desk.app.epochs.all().iter().rev().nth(1).unwrap().clone();
    inspector.press("enter");
    assert_eq!(inspector.desk.app.view, View::Requests);
    assert_eq!(inspector.desk.app.requests.focus(), epoch.place);
    inspector.press("6 =");
    assert_eq!(inspector.desk.app.filtering.text(), format!("epoch == {}", epoch.key.1));
    assert_eq!(inspector.shown(), epoch.requests);
    assert_eq!(inspector.desk.app.epochs.all(), std::slice::from_ref(&epoch));
    inspector.press("minus");
    assert_eq!(inspector.shown(), 0);
    assert!(inspector.screen().contains("the filter leaves out all"), "{}", inspector.screen());
    inspector.press("backspace backspace minus");
    assert_eq!(inspector.shown(), REQUESTS - epoch.requests);
    assert_eq!(inspector.desk.app.epochs.all().len() as u64, REQUESTS / 10 - 1);
}

#[test]
fn of_several_devices_the_filter_names_the_one() {
    let mut inspector = Inspector::of(&path("native/two-devices.blkr"), 100, 24);
    inspector.press("6 G =");
    let app = &inspector.desk.app;
    let [epoch] = app.epochs.all() else { panic!("{:?}", app.epochs.all()) };
    assert_eq!(app.requests.shown(), epoch.requests);
    let name = &app.header.devices[usize::from(epoch.key.0.0)].name;
    let text = format!("dev == \"{name}\" && epoch == {}", epoch.key.1);
    assert_eq!(app.filtering.text(), text);
    assert!(inspector.screen().contains(name.as_str()), "{}", inspector.screen());
}

#[test]
fn only_requests_that_the_filter_shows_count() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("f 'read' enter 6");
    let app = &inspector.desk.app;
    let counted: u64 = app.epochs.all().iter().map(|epoch| epoch.requests).sum();
    assert_eq!(counted, app.requests.shown());
    assert!(app.epochs.all().iter().all(|epoch| epoch.writes == 0 && epoch.requests > 0));
    inspector.press("1 backspace 6");
    let counted: u64 = inspector.desk.app.epochs.all().iter().map(|epoch| epoch.requests).sum();
    assert_eq!(counted, REQUESTS);
}

#[test]
fn a_count_that_is_stopped_wears_a_mark_and_an_empty_trace_has_no_epochs() {
    let mut inspector = Inspector::new(80, 24);
    assert_eq!(inspector.desk.app.press("6".parse().unwrap()), None);
    inspector.desk.app.want_epochs();
    assert_eq!(inspector.desk.app.press("esc".parse().unwrap()), None);
    inspector.settle();
    assert!(inspector.screen().contains("~0 epochs"), "{}", inspector.screen());
    inspector.press("6");
    assert!(inspector.screen().contains(" 60 epochs  600 requests"), "{}", inspector.screen());
    let empty = file(&story::empty());
    let mut inspector = Inspector::of(empty.path(), 80, 24);
    inspector.press("6 j G enter 6 = minus");
    assert_eq!(inspector.message(), "there is no epoch here");
    assert!(inspector.screen().contains("there are no requests in this trace"));
    for (width, height) in [(1, 1), (0, 0), (3, 2), (17, 5), (300, 100)] {
        inspector.terminal.backend_mut().resize(width, height);
        inspector.press("g G k");
    }
}
