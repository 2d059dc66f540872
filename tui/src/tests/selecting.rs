//! The selection in other views than the list: where it is drawn, and that a part of the map is selected by both its sides.

use blkreplay_core::format::Reader;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Rows;
use blkreplay_fixtures::story::{self, REQUESTS};
use snapbox::file;
use std::io::Cursor;

use super::Inspector;
use super::screens::looks_like;

/// Selected in the list, from the 100th request to the 400th.
const TIMES: &str = ": '100' enter v : '400' enter";

/// Selected on the map: three columns and five rows.
const PART: &str = "2 g left left right right v right right up up up up";

/// The line of the screen that begins with this, behind its spaces.
fn line(inspector: &Inspector, begin: &str) -> String {
    let screen = inspector.screen();
    let found = screen.lines().find(|line| line.trim_start().starts_with(begin));
    found.unwrap_or_else(|| panic!("no `{begin}` in\n{screen}")).to_owned()
}

/// Places of requests that a filter means.
fn meant(filter: &str) -> Vec<u64> {
    let reader = Reader::open(Cursor::new(story::trace())).unwrap();
    let filter = Filter::of(filter, reader.header()).unwrap();
    let mut rows = Rows::new(reader);
    let all = std::iter::from_fn(|| rows.next_row().unwrap());
    (0..).zip(all).filter(|(_, row)| filter.matches(row)).map(|(place, _)| place).collect()
}

#[test]
fn the_selection_of_the_list_is_drawn_between_brackets_in_map_queue_and_timeline() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press(TIMES);
    let timeline = inspector.screen().lines().nth(2).unwrap().to_owned();
    for (keys, corner) in [("2", "└"), ("4", "└")] {
        inspector.press(keys);
        let axis = line(&inspector, corner);
        let [from, to] = ['[', ']'].map(|bracket| axis.chars().position(|one| one == bracket));
        let width = axis.chars().count() - axis.chars().position(|one| one == '└').unwrap();
        // 100 and 400 of 600 requests that come at even times.
        let share = |at: usize| at * 6 / width;
        let before = axis.chars().position(|one| one == '└').unwrap();
        assert_eq!((share(from.unwrap() - before), share(to.unwrap() - before)), (0, 4), "{axis}");
        assert!(axis.contains("═══▲]"), "{axis}");
    }
    assert!(timeline.contains('[') && timeline.contains("▲]0.160000"), "{timeline}");
    inspector.press("esc");
    assert!(!inspector.screen().contains("═▲]"), "{}", inspector.screen());
}

#[test]
fn on_the_map_a_part_is_selected_and_enter_shows_what_lies_in_it() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press(PART);
    let area = inspector.desk.app.area().unwrap();
    let app = &inspector.desk.app;
    let grid = app.map.grid(&app.whole().unwrap());
    let columns: Vec<_> = (0..grid.width())
        .filter(|column| area.time.contains(&grid.times_of(*column).start))
        .collect();
    let rows = (0..grid.height()).filter(|row| area.offsets.contains(&grid.offsets_of(*row).start));
    assert_eq!((columns.len(), rows.count()), (3, 5));
    let marked = inspector.screen().lines().filter(|line| line.contains("|│")).count();
    assert_eq!(marked, 4, "the fifth row is that of the cursor\n{}", inspector.screen());
    let all: Vec<u64> = (0..REQUESTS).filter(|at| is_in(&mut inspector, *at)).collect();
    inspector.press("2 enter");
    let text = inspector.desk.app.filtering.text().to_owned();
    assert!(text.starts_with("t >= ") && text.contains("off overlaps "), "{text}");
    assert_eq!(meant(&text), all);
    assert_eq!(
        (inspector.shown(), inspector.desk.app.points.corner.clone()),
        (all.len() as u64, None)
    );
}

/// Whether the list says that a request is selected, while what is selected stays.
fn is_in(inspector: &mut Inspector, place: u64) -> bool {
    let area = inspector.desk.app.area().unwrap();
    let reader = Reader::open(Cursor::new(story::trace())).unwrap();
    let mut rows = Rows::new(reader);
    let row = std::iter::from_fn(|| rows.next_row().unwrap()).nth(usize::try_from(place).unwrap());
    area.touches(&row.unwrap())
}

#[test]
fn all_but_a_part_of_the_map_is_shown_by_minus_and_esc_drops_it() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press(PART);
    assert!(inspector.screen().contains(" selected 0.0"), "{}", inspector.screen());
    inspector.press("minus");
    let text = inspector.desk.app.filtering.text().to_owned();
    assert!(text.starts_with("!(t >= "), "{text}");
    assert_eq!(inspector.shown(), meant(&text).len() as u64);
    inspector.press("backspace v right esc");
    assert_eq!(inspector.message(), "the selection was dropped");
    assert_eq!((inspector.desk.app.area(), inspector.desk.app.points.anchor), (None, None));
}

#[test]
fn a_selection_that_began_on_the_map_goes_along_with_the_focus_of_the_list() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("2 g v 1 : '121' enter");
    let area = inspector.desk.app.area().unwrap();
    assert!(area.time.contains(&48_400_000) && area.offsets.contains(&135_266_304), "{area:?}");
    let lines: Vec<String> = inspector.screen().lines().map(str::to_owned).collect();
    let is_marked = |id: &str| lines.iter().any(|line| line.starts_with('|') && line.contains(id));
    assert!(is_marked(" 120 ") && !is_marked(" 119 "), "a flush has no offsets\n{lines:#?}");
}

#[test]
fn epochs_that_the_selection_has_some_time_of_are_marked() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press(": '100' enter v : '121' enter 6");
    let (first, last) = {
        let app = &inspector.desk.app;
        let (from, to) = app.selected_times().unwrap();
        let times = |epoch: &crate::epochs::Epoch| {
            (epoch.began, epoch.began.0 + app.epochs.took(epoch).unwrap().0)
        };
        let is_in = |at: &usize| {
            let (began, ended) = times(&app.epochs.all()[*at]);
            began <= to && ended >= from.0
        };
        let all: Vec<usize> = (0..app.epochs.all().len() - 1).filter(is_in).collect();
        (all[0], all[all.len() - 1])
    };
    assert!(first < last);
    let screen = inspector.screen();
    let marked = |mark: char| screen.lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!((marked('|'), marked('>')), (last - first, 1), "{screen}");
}

#[test]
fn selections_are_drawn_in_every_view_with_an_axis_of_time() {
    let on = |view: &str| format!("{TIMES} {view}");
    looks_like(file!["screens/selection-map-80x24.txt"], (80, 24), &on("2"));
    looks_like(file!["screens/selection-map-120x40.txt"], (120, 40), &on("2"));
    looks_like(file!["screens/selection-queue-80x24.txt"], (80, 24), &on("4"));
    looks_like(
        file!["screens/selection-epochs-80x24.txt"],
        (80, 24),
        ": '100' enter v : '121' enter 6",
    );
    looks_like(file!["screens/selection-list-120x40.txt"], (120, 40), TIMES);
    looks_like(file!["screens/selection-part-40x10.txt"], (40, 10), PART);
    looks_like(file!["screens/selection-part-80x24.txt"], (80, 24), PART);
    looks_like(file!["screens/selection-part-120x40.txt"], (120, 40), PART);
    looks_like(file!["screens/selection-part-200x60.txt"], (200, 60), PART);
}

#[test]
fn a_selection_needs_neither_colours_nor_other_signs_than_ascii() {
    let mut inspector = Inspector::new(80, 24);
    inspector.desk.app.look.glyphs = crate::look::Glyphs::Ascii;
    inspector.press(PART);
    let axis = line(&inspector, "+");
    assert!(axis.contains("==^]"), "{axis}");
    assert_eq!(inspector.screen().lines().filter(|line| line.contains("||")).count(), 4);
}
