//! How latencies are spread: percentiles held against core's, letters of the grid against the rows, and what keys do.

use blkreplay_core::request::Operation;
use blkreplay_core::units::Nanos;
use blkreplay_fixtures::story::{self, FAILED};
use snapbox::{assert_data_eq, file};
use tempfile::NamedTempFile;

use super::Inspector;
use super::stats::by_core;
use crate::action::View;
use crate::key::Key;
use crate::words;

fn check(inspector: &Inspector, counts: impl Fn(&blkreplay_core::rows::Row) -> bool) {
    let screen = inspector.screen();
    for (operation, tally) in by_core(counts).operations() {
        let latency = &tally.latency;
        let at = |fraction| Nanos(latency.quantile(fraction).unwrap()).to_string();
        let expected = [
            words::letter(operation).to_string(),
            operation.to_string(),
            latency.count().to_string(),
            Nanos(latency.min().unwrap()).to_string(),
            [0.5, 0.9, 0.99, 0.999].map(at).join(" "),
            Nanos(latency.max().unwrap()).to_string(),
        ]
        .join(" ");
        let told = screen.lines().any(|line| {
            let words: Vec<_> = line.trim_start_matches('>').split_whitespace().collect();
            words.join(" ") == expected
        });
        assert!(told, "{expected}: {screen}");
    }
}

#[test]
fn percentiles_are_those_of_core_with_a_filter_and_without() {
    let mut inspector = Inspector::new(120, 40);
    inspector.press("3");
    check(&inspector, |_| true);
    inspector.press("f 'op == write or op == flush' enter");
    assert_eq!(inspector.desk.app.view, View::Latency);
    let is_one = |operation| operation == Operation::Write || operation == Operation::Flush;
    check(&inspector, |row| is_one(row.request.operation));
    let screen = inspector.screen();
    assert!(!screen.contains("R read") && !screen.contains("│ r"), "{screen}");
}

#[test]
fn both_views_show_one_count_and_none_begins_anew() {
    let mut inspector = Inspector::new(120, 40);
    inspector.press("3");
    let number = inspector.desk.app.tallying.number();
    inspector.press("5 3 1 j 3");
    assert_eq!(inspector.desk.app.tallying.number(), number);
    inspector.press("f 'read' enter");
    assert_ne!(inspector.desk.app.tallying.number(), number);
}

#[test]
fn h_shows_bars_and_curves_again_and_elsewhere_goes_to_the_column_before() {
    let mut inspector = Inspector::new(120, 40);
    inspector.press("3");
    let curves = inspector.screen();
    assert!(curves.contains("how many of each operation were done within"), "{curves}");
    inspector.press("h");
    let bars = inspector.screen();
    assert!(bars.contains("how long each read took"), "{bars}");
    inspector.press("j");
    let powers = by_core(|_| true).of(Operation::Write).latency.powers();
    let most = powers.iter().map(|(_, count)| count).max().unwrap();
    let told = format!("how long each write took: {most} of 468 in the highest bar");
    assert!(inspector.screen().contains(&told), "{told}: {}", inspector.screen());
    inspector.press("h k");
    assert_eq!(inspector.screen(), curves);
    let cell = inspector.desk.app.cell;
    inspector.press("1 h");
    assert_ne!(inspector.desk.app.cell, cell);
}

#[test]
fn the_operation_that_is_looked_at_leads_to_its_requests() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("3 G enter");
    let app = &inspector.desk.app;
    assert_eq!((app.view, app.filtering.text()), (View::Requests, "op == flush"));
    inspector.press("backspace 3 g minus");
    assert_eq!(inspector.desk.app.filtering.text(), "op != read");
    inspector.press("f ctrl-u 'err == EIO' enter =");
    assert_eq!(inspector.desk.app.filtering.text(), "err == EIO && op == write");
    inspector.press("1");
    assert_eq!(inspector.focused(), FAILED);
}

#[test]
fn letters_stand_where_percentiles_are_and_say_whose_they_are() {
    let mut inspector = Inspector::new(120, 40);
    inspector.press("3");
    let screen = inspector.screen();
    // All flushes took as long, a little less than 1 ms: a column of letters.
    let columns: Vec<usize> = screen
        .lines()
        .filter(|line| line.contains("%│"))
        .map(|line| line.chars().position(|letter| letter == 'f').unwrap())
        .collect();
    assert!(columns.len() >= 10 && columns.iter().all(|at| *at == columns[0]), "{screen}");
    let labels = screen.lines().find(|line| line.contains("1ms")).unwrap();
    let millisecond = labels.chars().collect::<String>();
    let millisecond = millisecond.find("1ms").map(|at| millisecond[..at].chars().count()).unwrap();
    assert!((millisecond - 3..=millisecond).contains(&columns[0]), "{screen}");
    // The write that failed took 7 ms, and its curve ends there.
    let highest = screen.lines().find(|line| line.contains("100%│")).unwrap();
    let end = highest.trim_end().chars().count() - 1;
    assert!(highest.trim_end().ends_with('w') && end > millisecond, "{screen}");
}

#[test]
fn a_trace_without_requests_and_one_that_is_not_counted_yet_say_so() {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), story::empty()).unwrap();
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("3 j h enter = minus");
    assert!(inspector.screen().contains("there are no requests in this trace"));
    let mut inspector = Inspector::new(80, 24);
    let app = &mut inspector.desk.app;
    app.press(Key::char('3'));
    app.want_tally();
    let draw = |frame: &mut ratatui::Frame<'_>| crate::view::draw(&mut inspector.desk.app, frame);
    inspector.terminal.draw(draw).unwrap();
    assert!(inspector.screen().contains("counting: 0 %; esc stops"), "{}", inspector.screen());
    let whole = story::trace();
    std::fs::write(file.path(), &whole[..whole.len() * 2 / 3]).unwrap();
    let mut inspector = Inspector::of(file.path(), 80, 24);
    inspector.press("3");
    let screen = inspector.screen();
    assert!(screen.contains("! the trace is cut") && screen.contains("W write"), "{screen}");
}

#[test]
fn pictures_of_latencies() {
    for (expected, (width, height), keys) in [
        (file!["screens/latency-40x10.txt"], (40, 10), "3 j"),
        (file!["screens/latency-80x24.txt"], (80, 24), "3 j"),
        (file!["screens/latency-120x40.txt"], (120, 40), "3"),
        (file!["screens/latency-bars-40x10.txt"], (40, 10), "3 j h"),
        (file!["screens/latency-bars-80x24.txt"], (80, 24), "3 j h"),
        (file!["screens/latency-filter-80x24.txt"], (80, 24), "3 f 'lat > 250us' enter"),
    ] {
        let mut inspector = Inspector::new(width, height);
        inspector.press(keys);
        assert_data_eq!(inspector.screen(), expected.raw());
    }
}

#[test]
fn whatever_the_size_nothing_breaks() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("3");
    for (width, height) in [(1, 1), (0, 0), (3, 2), (7, 30), (8, 8), (17, 5), (40, 10), (300, 100)]
    {
        inspector.terminal.backend_mut().resize(width, height);
        for keys in ["g", "G", "h", "k", "h"] {
            inspector.press(keys);
        }
    }
    assert!(inspector.screen().contains("100%│"), "{}", inspector.screen());
}
