//! The timeline above the list: what came when, held against the rows, and the window that it shows.

use blkreplay_core::units::Nanos;
use blkreplay_fixtures::story::{self, REQUESTS};
use snapbox::{assert_data_eq, file};

use super::Inspector;
use super::growing::{damaged, file};
use crate::state::series::Series;

fn inspector(keys: &str) -> Inspector {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(keys);
    inspector
}

fn window(inspector: &Inspector) -> std::ops::Range<u64> {
    let app = &inspector.desk.app;
    app.queue.window(&app.all_time().unwrap())
}

/// The line of bars.
fn bars(inspector: &Inspector) -> String {
    inspector.screen().lines().nth(1).unwrap().to_owned()
}

#[test]
fn columns_count_the_requests_of_their_times_exactly() {
    let mut inspector = inspector("");
    for (filter, step) in [("", 1), ("f 'op == flush' enter", 10)] {
        inspector.press(filter);
        let series = inspector.desk.app.series(98).unwrap();
        assert!(series.is_exact);
        for column in 0..98 {
            let times = series.columns.times_of(column);
            // A request comes every 400 µs; every tenth is a flush.
            let arrived = (step - 1..REQUESTS).step_by(usize::try_from(step).unwrap());
            let count = arrived.filter(|id| times.contains(&(id * 400_000))).count();
            assert_eq!(series.requests[column], count as u64, "{filter} {column}");
        }
    }
}

#[test]
fn what_summaries_say_amounts_to_what_is_counted() {
    let inspector = inspector("");
    let app = &inspector.desk.app;
    let columns = app.queue.columns(&app.all_time().unwrap(), 30);
    let said = Series::outlined(app.outline.parts(), columns);
    let counted = said.clone().counted(app.flight().unwrap());
    assert!(!said.is_exact && counted.is_exact);
    let sums = |series: &Series| -> Vec<u64> {
        let of = |operation: usize| series.operations.iter().map(|column| column[operation]).sum();
        (0..7).map(of).chain([series.requests.iter().sum()]).collect()
    };
    assert_eq!(sums(&said), sums(&counted));
    assert_eq!(sums(&counted)[7], REQUESTS);
    // Requests come evenly, so that spreading them is nearly right.
    for (said, counted) in said.requests.iter().zip(&counted.requests) {
        assert!(said.abs_diff(*counted) <= 4, "{said} {counted}");
    }
    // What chunks say of their ends is no more than what was counted.
    let depths = said.depths.iter().zip(&counted.depths);
    assert!(depths.clone().any(|(said, _)| said.is_some()));
    assert!(depths.into_iter().all(|(said, counted)| said <= counted));
}

#[test]
fn keys_zoom_around_the_focus_and_move_and_the_window_follows_the_focus() {
    let mut inspector = inspector(": '300' enter");
    let whole = window(&inspector);
    inspector.press("z z");
    let quarter = window(&inspector);
    assert!(quarter.end - quarter.start <= (whole.end - whole.start) / 4 + 1);
    assert!(quarter.contains(&(300 * 400_000)));
    inspector.press("alt-l alt-l alt-l alt-l");
    let later = window(&inspector);
    assert!(
        later.start >= quarter.end - 4 && later.end - later.start == quarter.end - quarter.start
    );
    assert_eq!(inspector.focused(), 300, "the focus stays");
    inspector.press("alt-h");
    assert!(window(&inspector).start < later.start);
    inspector.press("j");
    assert!(window(&inspector).contains(&(301 * 400_000)), "the window follows");
    inspector.press("g");
    assert_eq!(window(&inspector).start, whole.start);
    inspector.press("alt-h");
    assert_eq!(inspector.message(), "this is where the trace ends");
    inspector.press("Z Z Z");
    assert_eq!(window(&inspector), whole);
    inspector.press("alt-l");
    assert_eq!(inspector.message(), "all time is shown; z shows less");
    inspector.press("3 alt-l");
    assert_eq!(inspector.message(), "that is for the timeline; 1 and 4 show it");
    inspector.press(&format!("1 {}", "z ".repeat(60)));
    let least = window(&inspector);
    assert!(least.end - least.start >= 500, "{least:?}");
}

#[test]
fn the_focus_and_the_times_of_the_list_are_marked() {
    let inspector = inspector(": '300' enter");
    let screen = inspector.screen();
    let marks: Vec<char> = screen.lines().nth(2).unwrap().chars().collect();
    let at = marks.iter().position(|mark| *mark == '▲').unwrap();
    let series = inspector.desk.app.series(98).unwrap();
    assert_eq!(series.columns.holding(Nanos(300 * 400_000)), Some(at - 1));
    let text: String = marks.iter().collect();
    assert!(text.contains("▲0.120000") && text.contains('═'), "{text}");
    assert!(text.contains("list 0.1"), "{text}");
}

#[test]
fn it_is_there_where_there_is_room_and_only_above_the_list() {
    for (width, height, keys, is_there) in [
        (60, 15, "", true),
        (59, 15, "", false),
        (60, 14, "", false),
        (80, 24, "2", false),
        (80, 24, "?", false),
        (80, 24, "enter", false),
        (80, 24, ":", true),
    ] {
        let mut inspector = Inspector::new(width, height);
        inspector.press(keys);
        let is_drawn = inspector.screen().contains('▲') && inspector.screen().contains("list 0.");
        assert_eq!(is_drawn, is_there, "{width}x{height} {keys}");
    }
}

#[test]
fn what_is_not_known_for_sure_is_said() {
    let broken = file(&damaged());
    let inspector = Inspector::of(broken.path(), 120, 24);
    let line = inspector.screen().lines().find(|line| line.contains('█')).unwrap().to_owned();
    assert!(line.starts_with('~'), "{line}");
    assert!(bars(&self::inspector("")).starts_with(' '));
    let nothing = file(&story::empty());
    let mut inspector = Inspector::of(nothing.path(), 200, 60);
    inspector.press("z alt-l Z");
    assert!(!inspector.screen().contains("Timeline"));
}

#[test]
fn under_a_filter_it_shows_what_that_leaves() {
    let mut inspector = Inspector::new(200, 60);
    inspector.press("f 'op == flush' enter z");
    assert_data_eq!(inspector.screen(), file!["screens/timeline-filter-200x60.txt"].raw());
    let lines: Vec<String> = inspector.screen().lines().map(str::to_owned).collect();
    let row = |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap();
    assert!(row("│ F").contains('█') && !row("│ W").contains('█'));
}
