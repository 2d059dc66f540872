//! The statistics: numbers held against those that core gives for the rows, and what keys do with their lines.

use blkreplay_core::query::Filter;
use blkreplay_core::request::Operation;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::Stats;
use blkreplay_core::{format::Reader, open};
use blkreplay_fixtures::story::{self, REQUESTS};
use blkreplay_fixtures::{path, story::FAILED};
use snapbox::{assert_data_eq, file};
use std::io::Cursor;
use tempfile::NamedTempFile;

use super::Inspector;
use crate::action::View;
use crate::key::Key;
use crate::state::sums::Sums;
use crate::tally::Tallied;
use crate::view;

/// What core says of the rows of the story for which this holds.
pub(super) fn by_core(counts: impl Fn(&Row) -> bool) -> Stats {
    let reader = Reader::open(Cursor::new(story::trace())).unwrap();
    let mut rows = Rows::new(reader);
    let mut stats = Stats::new(vec![4096]);
    while let Some(row) = rows.next_row().unwrap() {
        if counts(&row) { stats.count(&row) } else { stats.pass(&row) }
    }
    stats.finish();
    stats
}

/// The words of the line that begins with this.
fn words(screen: &str, begins: &str) -> Vec<String> {
    let is_it = |line: &&str| line.trim_start_matches(['>', ' ']).starts_with(begins);
    let line = screen.lines().find(is_it).unwrap_or_else(|| panic!("{begins}: {screen}"));
    line.trim_start_matches(['>', ' ']).split_whitespace().map(str::to_owned).collect()
}

fn check(inspector: &Inspector, stats: &Stats) {
    let screen = inspector.screen();
    let span = |nanos: Option<u64>| nanos.map_or("-".to_owned(), |it| Nanos(it).to_string());
    let size = |bytes: u64| if bytes == 0 { "-".to_owned() } else { Size(bytes).to_string() };
    let mut told = 0;
    for (operation, tally) in stats.operations() {
        told += tally.requests;
        let letter = crate::words::letter(operation);
        let latency = &tally.latency;
        let places = &tally.places;
        let percent = crate::words::percent;
        let expected = [
            format!("{letter} {operation} {}", tally.requests),
            size(tally.bytes),
            size(tally.bytes.checked_div(places.ranged).unwrap_or(0)),
            [0.5, 0.9, 0.99].map(|part| span(latency.quantile(part))).join(" "),
            span(latency.max()),
            percent(places.sequential, places.followed),
            percent(places.aligned_4096, places.ranged),
            tally.errors.to_string(),
        ];
        let found = words(&screen, &format!("{letter} {operation}"));
        let found = found.join(" ");
        assert_eq!(found.trim_end_matches('!'), expected.join(" "), "{screen}");
    }
    assert_eq!(told, inspector.shown(), "the filter leaves as many");
    let discipline = stats.discipline();
    let at_risk = &discipline.at_risk;
    let (mean, max) = (at_risk.mean().map(Size), at_risk.max().map(Size));
    let lines = [
        ("in flight", stats.depth().max().map(|max| format!("max {max}"))),
        ("data", Some(format!("{} in {}", Size(stats.pace().moved()), stats.pace().span()))),
        (
            "flushes",
            (discipline.flushes > 0).then(|| {
                format!("flushes {}, {} redundant", discipline.flushes, discipline.redundant)
            }),
        ),
        ("per flush", mean.zip(max).map(|(mean, max)| format!("avg {mean}, max {max}"))),
        (
            "touched",
            (stats.touched().either > 0).then(|| {
                let touched = stats.touched();
                format!("{} read, {} written", Size(touched.read), Size(touched.written))
            }),
        ),
        ("rewritten", mean.map(|_| format!("{} before", Size(discipline.rewritten)))),
        ("unflushed", mean.map(|_| Size(discipline.unflushed).to_string())),
    ];
    for (label, text) in lines {
        match text {
            Some(text) => {
                let found = words(&screen, label).join(" ");
                assert!(found.contains(&text), "{found}: {text}");
            }
            None => assert!(!screen.contains(label), "{label}: {screen}"),
        }
    }
}

#[test]
fn all_numbers_are_those_of_core() {
    let mut inspector = Inspector::new(120, 40);
    inspector.press("5");
    check(&inspector, &by_core(|_| true));
}

#[test]
fn a_filter_in_force_leaves_what_is_counted_whatever_it_asks_for() {
    let mut inspector = Inspector::new(120, 40);
    let header = inspector.desk.app.header.clone();
    inspector.press("5");
    for text in ["op == write && lat > 200us", "err == EIO", "op == flush", "len == 1M"] {
        inspector.press(&format!("f ctrl-u '{text}' enter"));
        assert_eq!(inspector.desk.app.view, View::Stats, "{text}");
        let filter = Filter::of(text, &header).unwrap();
        check(&inspector, &by_core(|row| filter.matches(row)));
    }
    // It asks all requests first.
    inspector.press("f ctrl-u 'op == write && lat > p99(lat)' enter");
    let places = inspector.desk.app.filtering.applied.as_ref().unwrap().found.clone();
    assert!(!places.is_empty() && places.len() < 10);
    check(&inspector, &by_core(|row| places.contains(row.id.0)));
    inspector.press("f ctrl-u 'payload[0:2] == 79:79' enter");
    let places = inspector.desk.app.filtering.applied.as_ref().unwrap().found.clone();
    assert!(places.contains(FAILED));
    check(&inspector, &by_core(|row| places.contains(row.id.0)));
    inspector.press("backspace");
    check(&inspector, &by_core(|_| true));
}

#[test]
fn enter_shows_the_requests_of_a_line_and_equals_and_minus_filter_by_it() {
    let mut inspector = Inspector::new(120, 40);
    let writes = by_core(|_| true).of(Operation::Write).requests;
    inspector.press("5 j enter");
    let app = &inspector.desk.app;
    assert_eq!((app.view, app.filtering.text()), (View::Requests, "op == write"));
    assert_eq!(inspector.shown(), writes);
    inspector.press("backspace 5 j minus");
    assert_eq!(inspector.desk.app.filtering.text(), "op != discard");
    inspector.press("backspace g minus");
    assert_eq!(inspector.desk.app.filtering.text(), "op != read");
    assert_eq!(inspector.desk.app.view, View::Stats);
    inspector.press("backspace j =");
    assert_eq!(inspector.desk.app.filtering.text(), "op == write");
    inspector.press("backspace");
    // The lines behind the operations: what failed, and what was never completed.
    inspector.press("g j j j j enter");
    assert_eq!(inspector.desk.app.filtering.text(), "result != ok");
    assert_eq!((inspector.shown(), inspector.focused()), (1, FAILED));
    inspector.press("backspace 5 minus");
    assert_eq!(inspector.desk.app.filtering.text(), "!(result != ok)");
    assert_eq!(inspector.shown(), REQUESTS - 1);
    inspector.press("backspace G enter");
    assert_eq!(inspector.message(), "no filter says what this line is about");
    assert_eq!(inspector.desk.app.view, View::Stats);
}

#[test]
fn what_did_not_go_well_is_told_and_its_line_leads_to_exactly_these_requests() {
    type Is = fn(&Row) -> bool;
    let lines: [(&str, Is); 4] = [
        ("errors", |row| row.completion.as_ref().is_some_and(|end| end.result.is_err())),
        ("unfinished", |row| row.completion.is_none()),
        ("undelivered", |row| row.completion.as_ref().is_some_and(|end| end.flags.undelivered)),
        ("refused", |row| row.completion.as_ref().is_some_and(|end| end.flags.refused)),
    ];
    let mut seen = [0; 4];
    for name in ["operations", "two-devices", "sessions", "guest", "later", "columns"] {
        let trace = path(&format!("native/{name}.blkr"));
        let mut rows = Rows::new(open::trace(&trace).unwrap());
        let mut counts = [0; 4];
        while let Some(row) = rows.next_row().unwrap() {
            for (count, (_, is_it)) in counts.iter_mut().zip(lines) {
                *count += u64::from(is_it(&row));
            }
        }
        for (place, (label, _)) in lines.into_iter().enumerate() {
            let mut inspector = Inspector::of(&trace, 120, 40);
            inspector.press("5");
            let sums = inspector.desk.app.tallying.sums().unwrap();
            let at = sums.lines.iter().position(|line| line.label == label);
            let Some(at) = at.filter(|_| counts[place] > 0) else {
                let says = sums.lines.iter().any(|it| it.label == label && it.text != "none");
                assert!(!says, "{name} {label}");
                continue;
            };
            seen[place] += 1;
            for _ in 0..sums.operations.len() + at {
                inspector.press("j");
            }
            inspector.press("enter");
            assert_eq!(inspector.shown(), counts[place], "{name} {label}");
        }
    }
    assert!(seen.iter().filter(|seen| **seen > 0).count() >= 3, "{seen:?}");
}

#[test]
fn what_is_not_counted_to_the_end_wears_a_tilde_and_says_how_far_it_is() {
    let mut inspector = Inspector::new(120, 40);
    let app = &mut inspector.desk.app;
    app.press(Key::char('5'));
    let number = app.want_tally().unwrap();
    let sums = Sums::of(&by_core(|row| row.id.0 < 150));
    let told = |number| Tallied {
        number,
        sums: sums.clone(),
        done: 150,
        is_first_pass: false,
        is_done: false,
        error: None,
    };
    app.tallied(told(number));
    inspector.terminal.draw(|frame| view::draw(&mut inspector.desk.app, frame)).unwrap();
    let screen = inspector.screen();
    assert!(screen.contains("counting: 25 %; esc stops"), "{screen}");
    let numbers = words(&screen, "W write");
    assert!(numbers[2].starts_with('~') && numbers.last().unwrap() == "~1!", "{numbers:?}");
    assert_eq!(words(&screen, "per flush").join(" "), "per flush avg ~30 KiB, max ~36 KiB");
    assert_eq!(words(&screen, "unfinished").join(" "), "unfinished none yet");
    inspector.desk.app.press(Key::char('3'));
    inspector.desk.app.press(Key::char('h'));
    inspector.terminal.draw(|frame| view::draw(&mut inspector.desk.app, frame)).unwrap();
    let screen = inspector.screen();
    assert!(screen.contains("how long each read took: ~"), "{screen}");
    inspector.desk.app.press(Key::char('5'));
    // It stops where a person wants it, and goes on from the beginning.
    let app = &mut inspector.desk.app;
    app.press(Key::char('q'));
    assert!(!app.tallying.goes_on());
    app.tallied(told(number));
    inspector.settle();
    assert!(inspector.screen().contains("stopped at 150 of 600"), "{}", inspector.screen());
    inspector.press("5");
    check(&inspector, &by_core(|_| true));
}

#[test]
fn what_was_counted_for_another_filter_is_not_taken() {
    let mut inspector = Inspector::new(120, 40);
    let app = &mut inspector.desk.app;
    app.press(Key::char('5'));
    let number = app.want_tally().unwrap();
    app.press(Key::char('1'));
    assert_eq!(app.want_tally(), None);
    // Nobody counts here, so that there is nothing to wait for.
    for key in "fop==flush".chars() {
        app.press(Key::char(key));
    }
    app.press("enter".parse().unwrap());
    inspector.settle();
    let app = &mut inspector.desk.app;
    assert_eq!(app.filtering.text(), "op==flush");
    let sums = Sums::of(&by_core(|_| true));
    let (is_first_pass, is_done) = (false, true);
    app.tallied(Tallied { number, sums, done: 600, is_first_pass, is_done, error: None });
    assert!(app.tallying.sums().is_none());
    inspector.press("5");
    check(&inspector, &by_core(|row| row.request.operation == Operation::Flush));
}

#[test]
fn a_trace_without_requests_one_that_is_damaged_and_one_that_is_gone_are_told() {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), story::empty()).unwrap();
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("5 j G enter = minus");
    assert!(inspector.screen().contains("there are no requests in this trace"));

    let whole = story::trace();
    std::fs::write(file.path(), &whole[..whole.len() * 2 / 3]).unwrap();
    let mut inspector = Inspector::of(file.path(), 120, 40);
    inspector.press("5");
    let told: u64 = inspector.desk.app.tallying.operations().iter().map(|sum| sum.requests).sum();
    assert!(told > 0 && told < REQUESTS);
    assert_eq!(told, inspector.shown());
    assert!(inspector.screen().contains("! the trace is cut"), "{}", inspector.screen());

    drop(file);
    inspector.press("f 'op == read' enter");
    let screen = inspector.screen();
    assert!(screen.contains("! cannot open the trace once more"), "{screen}");
}

#[test]
fn a_filter_that_leaves_nothing_says_so() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("5 f 'len > 1G' enter");
    let screen = inspector.screen();
    assert!(
        screen.contains("the filter leaves out all; backspace drops its last term"),
        "{screen}"
    );
}

#[test]
fn pictures_of_the_statistics() {
    for (expected, (width, height), keys) in [
        (file!["screens/stats-40x10.txt"], (40, 10), "5 j"),
        (file!["screens/stats-80x24.txt"], (80, 24), "5 j"),
        (file!["screens/stats-120x40.txt"], (120, 40), "5 j"),
        (file!["screens/stats-filter-80x24.txt"], (80, 24), "5 f 'lat > 250us' enter"),
    ] {
        let mut inspector = Inspector::new(width, height);
        inspector.press(keys);
        assert_data_eq!(inspector.screen(), expected.raw());
    }
}

#[test]
fn whatever_the_size_the_line_that_is_looked_at_is_on_the_screen() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("5");
    for (width, height) in [(1, 1), (0, 0), (3, 2), (17, 5), (40, 10), (40, 4), (300, 100)] {
        inspector.terminal.backend_mut().resize(width, height);
        for keys in ["g", "G", "b", "ctrl-d", "space", "k"] {
            inspector.press(keys);
            if height > 3 {
                let screen = inspector.screen();
                assert!(screen.contains('>'), "{width}x{height} {keys}: {screen}");
            }
        }
    }
}
