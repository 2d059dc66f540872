//! Going back to where one jumped from and forward again, and the filter off and on.

use blkreplay_fixtures::story::{BEFORE, FAILED, REQUESTS};

use super::Inspector;
use crate::action::View;

/// Focus, view and filter.
fn at(inspector: &Inspector) -> (u64, View, String) {
    let app = &inspector.desk.app;
    (inspector.focused(), app.view, app.filtering.text().to_owned())
}

#[test]
fn jumps_are_gone_back_from_and_forward_again_with_view_and_filter() {
    let mut inspector = Inspector::new(100, 30);
    let stations = [": '17' enter", "e", ",", "f 'write' enter", "5", "1 G", ": '30%' enter"];
    let mut seen = vec![at(&inspector)];
    for keys in stations {
        inspector.press(keys);
        if keys == "1 G" {
            // Two jumps.
            let (_, _, filter) = at(&inspector);
            seen.push((BEFORE, View::Requests, filter));
        }
        seen.push(at(&inspector));
    }
    assert_eq!(seen[2].0, FAILED);
    let end = seen.len() - 1;
    for expected in seen[..end].iter().rev() {
        inspector.press("alt-left");
        assert_eq!(at(&inspector), *expected);
    }
    inspector.press("ctrl-o");
    assert_eq!(inspector.message(), "there is nothing to go back to");
    for expected in &seen[1..] {
        inspector.press("alt-right");
        assert_eq!(at(&inspector), *expected);
    }
    inspector.press("alt-right");
    assert_eq!(inspector.message(), "there is nothing to go forward to");
}

#[test]
fn steps_from_line_to_line_are_not_gone_back_to() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("j j j space k l h : '300' enter j j j ctrl-o");
    let before = inspector.focused();
    assert!(before > 3 && before < 100, "where the jump began: {before}");
    inspector.press("alt-right");
    assert_eq!(inspector.focused(), 303, "where one was when one went back");
}

#[test]
fn another_jump_forgets_the_way_forward() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press(": '17' enter : '300' enter ctrl-o e alt-right");
    assert_eq!(inspector.message(), "there is nothing to go forward to");
    inspector.press("ctrl-o");
    assert_eq!(inspector.focused(), 17);
}

#[test]
fn what_was_found_later_is_gone_back_from_too() {
    let mut inspector = Inspector::new(100, 30);
    for (keys, from) in [
        ("/ 'EIO' enter", 0),
        (": 'epoch 30' enter", FAILED),
        (": 'flush 50' enter", 300),
        ("w", 499),
        (": '200.2ms' enter", 17),
    ] {
        inspector.press(&format!(": '{from}' enter"));
        inspector.press(keys);
        assert_ne!(inspector.focused(), from, "{keys}");
        inspector.press("ctrl-o");
        assert_eq!(inspector.focused(), from, "{keys}");
    }
}

#[test]
fn the_filter_is_taken_away_and_put_in_force_again() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("ctrl-t");
    assert_eq!(inspector.message(), "there is no filter; f writes one");
    inspector.press("f 'op == flush' enter ctrl-t");
    assert_eq!(inspector.shown(), REQUESTS);
    let screen = inspector.screen();
    let line = screen.lines().find(|line| line.contains("Filter:")).unwrap();
    assert!(line.starts_with(" Filter: op == flush") && line.ends_with("off; ctrl-t"), "{line}");
    inspector.press("ctrl-t");
    assert_eq!(inspector.shown(), REQUESTS / 10);
    inspector.press("ctrl-t f 'read' enter");
    assert_eq!(inspector.desk.app.filtering.text(), "read");
    inspector.press("backspace");
    assert!(!inspector.screen().contains("Filter:"), "{}", inspector.screen());
}
