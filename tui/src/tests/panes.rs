//! Panes beside each other: which are shown at which size, where keys go, and that each is filled though keys go elsewhere.

use blkreplay_fixtures::story::{FAILED, REQUESTS};
use snapbox::{assert_data_eq, file};

use super::Inspector;
use crate::action::View;

fn large() -> Inspector {
    let mut inspector = Inspector::new(200, 60);
    inspector.press("e");
    inspector
}

/// The views whose panes are on the screen, by what is said above them.
fn panes(inspector: &Inspector) -> Vec<View> {
    let screen = inspector.screen();
    let has = |(view, key, name): &(View, char, &str)| {
        let rule = [format!("── {key} {name} ─"), format!("── [{key} {name}] ─")];
        rule.iter().any(|rule| screen.contains(rule)).then_some(*view)
    };
    View::ALL.iter().filter_map(has).collect()
}

const ALL: [View; 4] = [View::Requests, View::Map, View::Latency, View::Stats];

#[test]
fn where_there_is_room_all_panes_are_shown_and_filled_with_what_their_views_show() {
    let inspector = large();
    assert_eq!(panes(&inspector), ALL);
    let app = &inspector.desk.app;
    let sums = app.tallying.sums().unwrap();
    let counted: u64 = sums.operations.iter().map(|sum| sum.requests).sum();
    assert_eq!(counted, REQUESTS);
    assert!(app.map.chart.as_ref().unwrap().is_done);
    assert!(!app.epochs.goes_on() && app.epochs.of.is_none(), "what is not shown is not counted");
    assert_eq!(app.findings.number, 0);
    let screen = inspector.screen();
    for text in ["── #121 write → EIO", "bytes a cell", "p99.9", "errors"] {
        assert!(screen.contains(text), "{text}: {screen}");
    }
}

#[test]
fn a_filter_is_that_of_all_panes() {
    let mut inspector = large();
    inspector.press("f 'flush' enter");
    let app = &inspector.desk.app;
    assert_eq!(app.tallying.operations().len(), 1);
    assert_eq!(app.tallying.operations()[0].requests, REQUESTS / 10);
    let screen = inspector.screen();
    assert!(screen.contains("nothing that the filter leaves"), "{screen}");
}

#[test]
fn on_smaller_screens_there_is_one_view_and_nothing_else_is_counted() {
    for (width, height) in [(40, 10), (80, 24), (120, 40), (179, 60), (200, 44)] {
        let inspector = Inspector::new(width, height);
        assert_eq!(panes(&inspector), [], "{width}x{height}");
        let app = &inspector.desk.app;
        assert!(app.tallying.sums().is_none() && app.map.chart.is_none(), "{width}x{height}");
    }
}

#[test]
fn tab_goes_from_pane_to_pane_and_keys_go_where_it_went() {
    let mut inspector = large();
    let views = |inspector: &mut Inspector, keys: &str| {
        let mut views = Vec::new();
        for _ in 0..4 {
            inspector.press(keys);
            views.push(inspector.desk.app.view);
        }
        views
    };
    let there = views(&mut inspector, "tab");
    assert_eq!(there, [View::Map, View::Latency, View::Stats, View::Requests]);
    let back = views(&mut inspector, "shift-tab");
    assert_eq!(back, [View::Stats, View::Latency, View::Map, View::Requests]);
    inspector.press("tab tab h");
    assert!(inspector.desk.app.tallying.is_histogram);
    assert_eq!(inspector.focused(), FAILED);
    inspector.press("f8 f8 f7");
    assert_eq!(inspector.focused(), FAILED + 1);
    assert_eq!(inspector.desk.app.view, View::Latency);
}

#[test]
fn where_there_is_one_pane_tab_goes_to_the_next_view() {
    let mut inspector = Inspector::new(80, 24);
    for (view, ..) in View::ALL {
        assert_eq!(inspector.desk.app.view, view);
        inspector.press("tab");
    }
    assert_eq!(inspector.desk.app.view, View::Requests);
    inspector.press("shift-tab");
    assert_eq!(inspector.desk.app.view, View::ALL[View::ALL.len() - 1].0);
}

#[test]
fn moving_in_one_pane_moves_all() {
    let mut inspector = large();
    inspector.press("tab pgdn g");
    let first = inspector.focused();
    assert!(first < FAILED, "{first}");
    inspector.press("1 e");
    let app = &inspector.desk.app;
    let grid = app.map.grid(&app.whole().unwrap());
    let (column, _) = app.map.cursor(&grid);
    assert!(grid.times_of(column).contains(&48_400_000));
}

#[test]
fn a_pane_gets_all_the_room_and_gives_it_back() {
    let mut inspector = large();
    inspector.press("tab \\");
    assert_eq!(panes(&inspector), []);
    assert!(inspector.screen().contains("bytes a cell"));
    inspector.press("\\");
    assert_eq!(panes(&inspector), ALL);
    let mut small = Inspector::new(80, 24);
    assert!(small.screen().contains("── #0"));
    small.press("\\");
    assert!(!small.screen().contains("── #0"));
    small.press("\\");
    assert!(small.screen().contains("── #0"));
    small.press("2 \\");
    assert_eq!(small.message(), "there is nothing beside this");
}

#[test]
fn layouts_come_one_after_the_other() {
    let mut inspector = Inspector::new(120, 40);
    let detail = |inspector: &Inspector| inspector.screen().contains("── #0");
    assert!(detail(&inspector));
    inspector.press("|");
    assert_eq!(inspector.message(), "shows the list alone");
    assert!(!detail(&inspector));
    inspector.press("|");
    assert!(detail(&inspector) && panes(&inspector).is_empty());
    inspector.press("|");
    assert_eq!(inspector.message(), "shows all panes");
    assert_eq!(panes(&inspector), ALL);
    inspector.press("|");
    assert_eq!(inspector.message(), "shows as much as there is room for");
    assert!(panes(&inspector).is_empty());
    let mut small = Inspector::new(80, 24);
    small.press("| | |");
    assert_eq!(small.message(), "shows all panes, for which this screen is too small");
    assert!(detail(&small));
}

#[test]
fn esc_stops_what_is_counted_for_a_pane_that_keys_do_not_go_to() {
    let mut inspector = Inspector::new(200, 60);
    // Beginning anew, and not waiting for it.
    inspector.press("f 'write' enter");
    inspector.desk.app.press("backspace".parse().unwrap());
    inspector.desk.wish();
    assert!(inspector.desk.app.tallying.goes_on() && inspector.desk.app.map.counting() > 0);
    let esc = "esc".parse().unwrap();
    inspector.desk.app.press(esc);
    assert!(inspector.message().contains("the map was cancelled"), "{}", inspector.message());
    inspector.desk.app.press(esc);
    assert!(inspector.message().contains("no more is counted"), "{}", inspector.message());
    inspector.settle();
    assert!(inspector.screen().contains("it was cancelled"));
}

#[test]
fn pictures_of_all_panes() {
    let mut inspector = large();
    inspector.press("tab");
    assert_data_eq!(inspector.screen(), file!["screens/panes-200x60.txt"].raw());
    let mut inspector = Inspector::new(120, 36);
    inspector.press("e | | | tab tab tab");
    assert_data_eq!(inspector.screen(), file!["screens/panes-120x36.txt"].raw());
}
