//! The first picture of every view: what summaries say before anything is counted, held against what is counted in the end.

use std::io::Cursor;

use blkreplay_core::format::Reader;
use blkreplay_core::view::stats::Spread;
use blkreplay_fixtures::story::{self, REQUESTS};
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;
use super::growing::{damaged, file};
use super::stats::by_core;
use crate::key::Key;
use crate::view;

/// The inspector as it is right after these keys: summaries were read, and nothing else is.
fn first(width: u16, height: u16, keys: &str) -> Inspector {
    first_of(Inspector::new(width, height), keys)
}

fn first_of(mut inspector: Inspector, keys: &str) -> Inspector {
    for key in keys.split_whitespace() {
        inspector.desk.app.press(key.parse::<Key>().unwrap());
    }
    // What the state wishes is not said to anybody.
    inspector.terminal.draw(|frame| view::draw(&mut inspector.desk.app, frame)).unwrap();
    inspector
}

#[track_caller]
fn looks_like(expected: Data, (width, height): (u16, u16), keys: &str) {
    assert_data_eq!(first(width, height, keys).screen(), expected.raw());
}

#[test]
fn every_view_has_a_picture_before_anything_is_counted() {
    looks_like(file!["screens/first-map-80x24.txt"], (80, 24), "2");
    looks_like(file!["screens/first-latency-80x24.txt"], (80, 24), "3");
    looks_like(file!["screens/first-queue-59x20.txt"], (59, 20), "4");
    looks_like(file!["screens/first-stats-80x24.txt"], (80, 24), "5");
    looks_like(file!["screens/first-stats-40x10.txt"], (40, 10), "5");
    looks_like(file!["screens/first-map-40x10.txt"], (40, 10), "2");
    looks_like(file!["screens/first-stats-120x40.txt"], (120, 40), "5");
    looks_like(file!["screens/first-map-200x60.txt"], (200, 60), "2 \\");
}

#[test]
fn sums_of_summaries_are_those_that_are_counted() {
    let inspector = first(120, 40, "5");
    let sums = inspector.desk.app.tallying.sums().unwrap();
    let stats = by_core(|_| true);
    assert!(!inspector.desk.app.tallying.is_exact());
    assert_eq!(sums.operations.len(), stats.operations().count());
    for (said, (operation, tally)) in sums.operations.iter().zip(stats.operations()) {
        assert_eq!((said.operation, said.requests), (operation, tally.requests));
        assert_eq!((said.bytes, said.errors), (tally.bytes, tally.errors));
        assert_eq!(said.mean_bytes(), tally.bytes.checked_div(tally.places.ranged));
        assert!(said.is_said);
        // Chunks with few completions of an operation say nothing of their latencies.
        assert!(said.latency.count() <= tally.latency.count());
        let [found, exact] = [&said.latency, &tally.latency].map(Spread::max);
        let near = |found: u64, exact: u64| found.abs_diff(exact) <= exact / 16;
        assert!(found.is_none_or(|found| near(found, exact.unwrap())), "{operation}");
    }
    let all: u64 = sums.operations.iter().map(|sum| sum.requests).sum();
    assert_eq!(all, REQUESTS);
    let screen = inspector.screen();
    let writes = screen.lines().find(|line| line.contains("W write")).unwrap();
    assert!(writes.contains("~468") && writes.contains('…'), "{writes}");
    assert!(screen.contains("errors      ~1") && screen.contains("in flight   …"), "{screen}");
}

#[test]
fn latencies_of_summaries_are_near_those_that_are_counted() {
    let inspector = first(120, 40, "3");
    let sums = inspector.desk.app.tallying.sums().unwrap();
    for (operation, tally) in by_core(|_| true).operations() {
        let said = sums.operations.iter().find(|sum| sum.operation == operation).unwrap();
        for part in [0.5, 0.9, 0.99] {
            let pair = said.latency.quantile(part).zip(tally.latency.quantile(part));
            // Half a bucket, and what chunks with few completions do not say.
            assert!(pair.is_none_or(|(said, exact)| said.abs_diff(exact) <= exact / 8), "{pair:?}");
        }
    }
    assert!(inspector.screen().contains("~181µs") || inspector.screen().contains("~18"));
}

#[test]
fn the_map_of_summaries_holds_all_requests_and_bytes() {
    let mut inspector = first(120, 40, "2");
    let app = &inspector.desk.app;
    let grid = app.map.grid(&app.whole().unwrap());
    let said = app.map.said(&grid).unwrap();
    let ranged: u64 = by_core(|_| true).sum(|tally| tally.places.ranged);
    let bytes: u64 = by_core(|_| true).sum(|tally| tally.bytes);
    let sum = |of: fn(&crate::chart::Sums) -> u64| said.sums.iter().map(of).sum::<u64>();
    assert_eq!((sum(|cell| cell.requests), sum(|cell| cell.bytes)), (ranged, bytes));
    assert!(inspector.screen().contains("~bytes a cell"), "{}", inspector.screen());
    // Of latencies by offset they say nothing.
    inspector.desk.app.press("o".parse().unwrap());
    inspector.desk.app.press("o".parse().unwrap());
    let inspector = first_of(inspector, "");
    let screen = inspector.screen();
    assert!(screen.contains("~greatest latency a cell  0 %"), "{screen}");
    assert!(!screen.contains('@'), "{screen}");
}

#[test]
fn epochs_and_findings_have_sums_before_they_are_listed() {
    let mut inspector = Inspector::new(120, 40);
    for (key, said) in
        [("6", "~61 epochs"), ("6", "~600 requests  ~468 writes  … written"), ("9", "~1 failed")]
    {
        inspector.desk.app.press(key.parse().unwrap());
        inspector.desk.app.want_epochs();
        inspector = first_of(inspector, "");
        assert!(inspector.screen().contains(said), "{said}: {}", inspector.screen());
    }
    inspector.settle();
    inspector.press("6");
    assert!(inspector.screen().contains(" 60 epochs"), "{}", inspector.screen());
}

#[test]
fn under_a_filter_and_in_a_trace_of_two_devices_summaries_say_only_what_they_can() {
    // So small a screen has no timeline, for which this is counted.
    let mut inspector = Inspector::new(59, 14);
    inspector.press("f 'read' enter");
    let mut inspector = first_of(inspector, "5");
    assert!(inspector.desk.app.tallying.sums().is_none());
    inspector = first_of(inspector, "4");
    assert!(inspector.screen().contains("max …  avg …"), "{}", inspector.screen());
    inspector = first_of(inspector, "2");
    let app = &inspector.desk.app;
    let grid = app.map.grid(&app.whole().unwrap());
    assert!(app.map.said(&grid).is_none());
}

#[test]
fn a_damaged_trace_and_one_without_an_index_have_first_pictures_too() {
    let broken = file(&damaged());
    let inspector = first_of(Inspector::of(broken.path(), 100, 30), "5");
    // Summaries are whole where events are not.
    assert!(inspector.screen().contains("~468"), "{}", inspector.screen());
    // As a recorder leaves it that is killed.
    let whole = story::trace();
    let offset = {
        let mut reader = Reader::open(Cursor::new(whole.clone())).unwrap();
        let last = reader.chunk_entries().unwrap().last().unwrap();
        usize::try_from(last.offset + last.length).unwrap()
    };
    let killed = file(&whole[..offset]);
    let inspector = Inspector::of(killed.path(), 100, 30);
    let banner = inspector.desk.app.banner.clone().unwrap_or_default();
    assert!(!banner.is_empty() && inspector.screen().contains(&banner[..20]), "{banner}");
    let inspector = first_of(inspector, "5");
    assert!(inspector.screen().contains("~468"), "{}", inspector.screen());
    let nothing = file(&story::empty());
    let inspector = first_of(Inspector::of(nothing.path(), 80, 24), "5");
    assert!(inspector.desk.app.tallying.sums().is_none_or(|sums| sums.operations.is_empty()));
}
