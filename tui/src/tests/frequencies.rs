//! How often values of a column come: keys in, counts and filters out.

use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_fixtures::story::{self, REQUESTS};
use snapbox::file;

use super::Inspector;
use super::screens::looks_like;
use crate::app::Over;
use crate::state::cell::Cell;

/// The requests of the story, read from its beginning.
fn rows() -> Vec<Row> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), story::trace()).unwrap();
    let mut rows = Rows::new(open::trace(file.path()).unwrap());
    std::iter::from_fn(|| rows.next_row().unwrap()).collect()
}

#[test]
fn every_count_is_that_of_the_filter_that_its_value_becomes() {
    let all = rows();
    for cell in Cell::ALL.into_iter().filter(|cell| *cell != Cell::Id) {
        let mut inspector = Inspector::new(100, 40);
        inspector.desk.app.cell = cell;
        inspector.press("K");
        let app = &inspector.desk.app;
        assert!(app.frequencies.is_exact());
        let table = app.frequencies.table().unwrap();
        assert_eq!(table.values.iter().map(|one| one.count).sum::<u64>(), REQUESTS, "{cell:?}");
        assert!(table.values.is_sorted_by(|one, other| one.count >= other.count), "{cell:?}");
        for counted in table.values.iter().take(12) {
            let term = counted.value.term(cell, &counted.row, &app.header).unwrap();
            let filter = Filter::of(&term, &app.header);
            let filter = filter.unwrap_or_else(|error| panic!("{}", error.shown(&term)));
            let meant = all.iter().filter(|row| filter.matches(*row)).count() as u64;
            assert_eq!(meant, counted.count, "{term}");
        }
    }
}

#[test]
fn a_value_leads_to_its_requests_or_away_from_them() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("K");
    assert!(matches!(inspector.desk.app.over, Some(Over::Frequencies)));
    let counts: Vec<u64> = inspector
        .desk
        .app
        .frequencies
        .table()
        .unwrap()
        .values
        .iter()
        .map(|one| one.count)
        .collect();
    inspector.press("j enter");
    assert_eq!(inspector.desk.app.filtering.text(), "op == flush");
    assert_eq!(inspector.shown(), counts[1]);
    assert!(inspector.desk.app.over.is_none());
    inspector.press("backspace K minus");
    assert_eq!(inspector.desk.app.filtering.text(), "!(op == write)");
    assert_eq!(inspector.shown(), REQUESTS - counts[0]);
    // Under a filter what it leaves is counted.
    inspector.press("K");
    let table = inspector.desk.app.frequencies.table().unwrap();
    assert_eq!(table.requests, REQUESTS - counts[0]);
    assert_eq!(table.values.len(), counts.len() - 1);
    inspector.press("esc");
    assert!(inspector.desk.app.over.is_none());
}

#[test]
fn what_cannot_be_counted_is_said() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("h h h K");
    assert_eq!(inspector.message(), "every request has an id of its own");
    inspector.press("2 K");
    assert_eq!(inspector.message(), "K counts the values of a column of the list; 1 shows it");
}

#[test]
fn esc_stops_counting_and_then_leaves() {
    let mut inspector = Inspector::new(100, 30);
    inspector.desk.app.press("K".parse().unwrap());
    assert!(inspector.desk.app.frequencies.goes_on());
    inspector.desk.app.press("esc".parse().unwrap());
    assert_eq!(inspector.message(), "counting was cancelled; esc again leaves");
    assert!(!inspector.desk.app.frequencies.goes_on());
    inspector.settle();
    assert!(inspector.desk.app.frequencies.table().is_none());
    inspector.press("esc");
    assert!(inspector.desk.app.over.is_none());
}

#[test]
fn of_a_damaged_trace_it_is_said_what_was_not_counted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let whole = story::trace();
    std::fs::write(file.path(), &whole[..whole.len() / 2]).unwrap();
    let mut inspector = Inspector::of(file.path(), 120, 40);
    inspector.press("K");
    assert!(!inspector.desk.app.frequencies.is_exact());
    let screen = inspector.screen();
    assert!(screen.contains("! what lies behind was not counted: "), "{screen}");
    assert!(screen.contains("of ~"), "{screen}");
}

#[test]
fn frequencies_are_drawn_at_every_size() {
    looks_like(file!["screens/frequencies-40x10.txt"], (40, 10), "K j");
    looks_like(file!["screens/frequencies-80x24.txt"], (80, 24), "l l l K");
    looks_like(file!["screens/frequencies-120x40.txt"], (120, 40), "f 'write' enter l K");
    looks_like(file!["screens/frequencies-200x60.txt"], (200, 60), "l l K");
}
