//! Where keys lead on the map: cursor, focus and window.

use blkreplay_fixtures::story::FAILED;

use super::Inspector;
use super::map::{chart, inspector};
use crate::state::map::Value;

#[test]
fn the_cursor_is_on_the_focused_request_and_the_focus_in_the_cell_under_the_cursor() {
    let mut inspector = inspector("e 2");
    let at = |inspector: &Inspector| {
        let app = &inspector.desk.app;
        let grid = app.map.grid(&app.whole().unwrap());
        let (column, row) = app.map.cursor(&grid);
        (grid.times_of(column), grid.offsets_of(row))
    };
    for keys in ["", "z", "z {", "L", "{ {", "Z Z } } }", "o o"] {
        inspector.press(keys);
        assert_eq!(inspector.focused(), FAILED, "{keys}");
        let (times, offsets) = at(&inspector);
        assert!(times.contains(&48_400_000) && offsets.contains(&(33_024 * 4096)), "{keys}");
    }
    inspector.press("L Z Z Z Z");
    let mut focused = Vec::new();
    for keys in [
        "g",
        "j j j j j j j j j j j j j j j j j",
        "right",
        "right",
        "pgup",
        "pgdn",
        "G",
        "ctrl-u",
        "left",
    ] {
        inspector.press(keys);
        let (times, offsets) = at(&inspector);
        let row = inspector.desk.app.requests.focused().unwrap();
        let inside = times.contains(&row.time.0) && row.request.range.end() > offsets.start;
        focused.push(row.id.0);
        let app = &inspector.desk.app;
        let grid = app.map.grid(&app.whole().unwrap());
        let (column, at) = app.map.cursor(&grid);
        assert_eq!(
            inside && row.request.range.offset < offsets.end,
            chart(&inspector).sums(column, at).requests > 0,
            "{keys}"
        );
    }
    focused.dedup();
    assert!(focused.len() > 4, "{focused:?}");
    // Where something takes the focus elsewhere, the cursor follows.
    inspector.press("1 e E : '#121' enter 2");
    assert!(at(&inspector).1.contains(&(33_024 * 4096)));
}

#[test]
fn keys_zoom_pan_and_change_what_cells_say() {
    let mut inspector = inspector("2");
    let window = |inspector: &Inspector| {
        let app = &inspector.desk.app;
        let grid = app.map.grid(&app.whole().unwrap());
        (grid.time(), grid.offsets())
    };
    let whole = window(&inspector);
    assert_eq!(whole.1, 0..256 << 20);
    inspector.press("z {");
    let half = window(&inspector);
    assert_eq!(half.0.end - half.0.start, (whole.0.end - whole.0.start) / 2);
    assert_eq!(half.1, 0..128 << 20);
    inspector.press(&"right ".repeat(69));
    let panned = window(&inspector);
    assert!(panned.0.start > half.0.start && panned.1 == half.1, "{panned:?}");
    inspector.press(&"up ".repeat(20));
    assert!(window(&inspector).1.start > 0);
    inspector.press("G");
    assert_eq!(window(&inspector).0.end, whole.0.end);
    inspector.press("g");
    assert_eq!(window(&inspector).0.start, whole.0.start);
    inspector.press("Z } } Z");
    assert_eq!(window(&inspector), whole);
    // However far it is zoomed, there is a window.
    inspector.press(&"z { ".repeat(60));
    let least = window(&inspector);
    assert!(!least.0.is_empty() && !least.1.is_empty(), "{least:?}");
    inspector.press(&"Z } ".repeat(60));
    assert_eq!(window(&inspector), whole);
    for value in [Value::Count, Value::Latency, Value::Rewrites, Value::Bytes] {
        inspector.press("o");
        assert_eq!(inspector.desk.app.map.value, value);
    }
    inspector.press("D");
    assert_eq!(inspector.message(), "the trace has one device");
    inspector.press("1 L");
    assert_eq!(inspector.message(), "that is for the map; 2 shows it");
    inspector.press("z");
    assert_eq!(window(&inspector), whole);
}
