//! The columns of the list, and times told from elsewhere: keys in, texts on the screen out.

use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::{Row, Rows};
use blkreplay_core::units::Nanos;
use blkreplay_fixtures::story::{FAILED, trace};
use snapbox::file;

use super::Inspector;
use super::screens::looks_like;
use crate::state::cell::Cell;
use crate::state::columns::Clock;

/// The requests of the story, read from its beginning.
fn rows() -> Vec<Row> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), trace()).unwrap();
    let mut rows = Rows::new(open::trace(file.path()).unwrap());
    std::iter::from_fn(|| rows.next_row().unwrap()).collect()
}

/// What stands in a column of all requests on the screen, with their ids.
fn shown(inspector: &Inspector, cell: Cell) -> Vec<(u64, String)> {
    let app = &inspector.desk.app;
    let text = |place| {
        let row = app.requests.row(place).unwrap();
        (row.id.0, app.text_of(cell, place, row))
    };
    app.requests.on_screen().into_iter().map(text).collect()
}

#[test]
fn how_many_are_in_flight_is_what_a_reader_of_all_counts() {
    let all = rows();
    let mut inspector = Inspector::new(200, 60);
    for keys in ["g", "G", "g space space"] {
        inspector.press(keys);
        for (id, text) in shown(&inspector, Cell::Depth) {
            let depth = all[usize::try_from(id).unwrap()].context.depth.unwrap();
            assert_eq!(text, depth.to_string(), "#{id}");
        }
    }
}

#[test]
fn gaps_are_between_those_that_are_shown() {
    let mut inspector = Inspector::new(200, 60);
    inspector.press("g j");
    let gaps = shown(&inspector, Cell::Gap);
    assert_eq!(gaps[0], (0, "-".to_owned()), "nothing comes before the first");
    assert!(gaps[1..].iter().all(|(_, text)| text == "+400µs"), "{gaps:?}");
    inspector.press("f 'op == flush' enter G");
    let gaps = shown(&inspector, Cell::Gap);
    assert!(gaps[0].0 > 100, "the one before the first is above the screen");
    assert!(gaps.iter().all(|(_, text)| text == "+4.00ms"), "{gaps:?}");
    // What another filter leaves has no term.
    let cell = inspector.desk.app.columns.chosen().iter().position(|cell| *cell == Cell::Gap);
    inspector.desk.app.cell = Cell::ALL[cell.unwrap()];
    inspector.press("=");
    assert_eq!(inspector.desk.app.filtering.text(), "op == flush");
}

#[test]
fn the_new_columns_can_be_filtered_by_like_all_others() {
    for (cell, id) in [
        (Cell::Gap, 3),
        (Cell::Device, 3),
        (Cell::Connection, 3),
        (Cell::End, 3),
        (Cell::Lba, 3),
        (Cell::Depth, 10),
        (Cell::Payload, FAILED),
    ] {
        let mut inspector = Inspector::new(200, 60);
        inspector.press(&format!(": '#{id}' enter"));
        inspector.desk.app.cell = cell;
        inspector.press("=");
        let text = inspector.desk.app.filtering.text().to_owned();
        let filter = Filter::of(&text, &inspector.desk.app.header).unwrap();
        let meant = rows().iter().filter(|row| filter.matches(*row)).count() as u64;
        assert!(meant > 0, "{text}");
        assert_eq!((inspector.shown(), inspector.focused()), (meant, id), "{text}");
    }
}

#[test]
fn columns_are_chosen_and_two_of_them_stay() {
    let mut inspector = Inspector::new(120, 40);
    assert!(!inspector.screen().contains("lba"), "{}", inspector.screen());
    inspector.press("c");
    assert!(inspector.screen().contains("[ ] lba"), "{}", inspector.screen());
    inspector.press("j j j j j j j j space esc");
    assert!(inspector.desk.app.columns.has(Cell::Lba));
    inspector.press("\\ c g space");
    assert_eq!(inspector.message(), "id and op are always there");
    inspector.press("j enter esc");
    assert!(!inspector.desk.app.columns.has(Cell::Time));
    // The focus goes to a column that is there.
    inspector.press("h");
    assert_eq!(inspector.desk.app.cell, Cell::Gap);
    inspector.press("c j space esc");
    assert_eq!(inspector.desk.app.cell, Cell::Operation);
    assert_eq!(inspector.shown(), 600, "the list is as it was");
}

#[test]
fn times_are_told_from_the_start_from_the_one_before_and_from_a_request() {
    let mut inspector = Inspector::new(100, 30);
    let at = |inspector: &Inspector, id| {
        let times = shown(inspector, Cell::Time);
        times.into_iter().find(|(one, _)| *one == id).unwrap().1
    };
    inspector.press("e");
    assert_eq!(at(&inspector, FAILED), "0.048400");
    inspector.press("t");
    assert_eq!(at(&inspector, FAILED), "+0.000400", "no clock on the wall is known");
    assert!(inspector.screen().contains("Δ time"), "{}", inspector.screen());
    inspector.press("t");
    assert_eq!(at(&inspector, FAILED), "0.048400");
    inspector.press("T k k");
    assert_eq!(at(&inspector, FAILED), "+0.000000");
    assert_eq!(at(&inspector, FAILED - 2), "-0.000800");
    inspector.press("t t t");
    assert_eq!(at(&inspector, FAILED - 2), "-0.000800", "the reference is remembered");
}

#[test]
fn the_clock_on_the_wall_comes_in_turn_where_it_is_known() {
    let mut inspector = Inspector::new(80, 24);
    let columns = &mut inspector.desk.app.columns;
    columns.reference = Some(Nanos(7));
    let mut turns = Vec::new();
    for _ in 0..4 {
        columns.next_clock(true);
        turns.push(columns.clock);
    }
    assert_eq!(turns, [Clock::Wall, Clock::Previous, Clock::Reference, Clock::Start]);
}

#[test]
fn columns_are_drawn_at_every_size() {
    looks_like(file!["screens/columns-40x10.txt"], (40, 10), "c G");
    looks_like(file!["screens/columns-80x24.txt"], (80, 24), "c j j j space");
    looks_like(file!["screens/times-80x24.txt"], (80, 24), "f 'fua' enter T");
}
