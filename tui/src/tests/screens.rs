//! Pictures of the screen, as text, at several sizes. `SNAPSHOTS=overwrite cargo test` draws them anew: look at each before it is kept.

use blkreplay_fixtures::story::FAILED;
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;

/// What is compared: the picture after these keys.
#[track_caller]
pub(super) fn looks_like(expected: Data, (width, height): (u16, u16), keys: &str) {
    let mut inspector = Inspector::new(width, height);
    inspector.press(keys);
    assert_data_eq!(inspector.screen(), expected.raw());
}

const FAILURE: &str = "e";
const FILTERED: &str = "f 'op == write && lat > 250us' enter j j";
const MAP: &str = "e 2";
const MAP_ZOOMED: &str = "f 'op != discard' enter e 2 L z z o o left down";

#[test]
fn on_40x10_there_is_the_list_alone() {
    looks_like(file!["screens/list-40x10.txt"], (40, 10), FAILURE);
    looks_like(file!["screens/filter-40x10.txt"], (40, 10), FILTERED);
    looks_like(file!["screens/map-40x10.txt"], (40, 10), MAP);
}

#[test]
fn on_80x24_the_detail_is_below_the_list() {
    looks_like(file!["screens/list-80x24.txt"], (80, 24), FAILURE);
    looks_like(file!["screens/filter-80x24.txt"], (80, 24), FILTERED);
    looks_like(file!["screens/map-80x24.txt"], (80, 24), MAP);
    looks_like(file!["screens/map-latency-80x24.txt"], (80, 24), MAP_ZOOMED);
    looks_like(file!["screens/writing-80x24.txt"], (80, 24), "f 'op == write && lenght > 4k'");
}

#[test]
fn on_120x40_the_detail_is_beside_the_list() {
    looks_like(file!["screens/list-120x40.txt"], (120, 40), FAILURE);
    looks_like(file!["screens/filter-120x40.txt"], (120, 40), FILTERED);
    looks_like(file!["screens/map-120x40.txt"], (120, 40), MAP_ZOOMED);
}

#[test]
fn findings_are_listed_at_every_size() {
    const FINDINGS: &str = "9 j j";
    looks_like(file!["screens/findings-40x10.txt"], (40, 10), FINDINGS);
    looks_like(file!["screens/findings-80x24.txt"], (80, 24), FINDINGS);
    looks_like(file!["screens/findings-120x40.txt"], (120, 40), FINDINGS);
    looks_like(file!["screens/findings-filter-80x24.txt"], (80, 24), "9 f 'write' enter G");
    looks_like(file!["screens/findings-detail-80x24.txt"], (80, 24), "9 : '121' enter enter");
    looks_like(file!["screens/findings-next-80x24.txt"], (80, 24), "w w w");
}

#[test]
fn epochs_are_listed_at_every_size() {
    const EPOCHS: &str = ": '121' enter 6";
    looks_like(file!["screens/epochs-40x10.txt"], (40, 10), EPOCHS);
    looks_like(file!["screens/epochs-80x24.txt"], (80, 24), EPOCHS);
    looks_like(file!["screens/epochs-120x40.txt"], (120, 40), EPOCHS);
    looks_like(file!["screens/epochs-filter-80x24.txt"], (80, 24), "6 f 'len > 64k' enter G k");
}

#[test]
fn on_200x60_there_is_room_for_all() {
    looks_like(file!["screens/list-200x60.txt"], (200, 60), FAILURE);
}

#[test]
fn whatever_the_size_something_is_drawn_and_nothing_breaks() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("e");
    for (width, height) in
        [(1, 1), (0, 0), (3, 2), (17, 5), (59, 14), (60, 15), (300, 100), (40, 10)]
    {
        inspector.terminal.backend_mut().resize(width, height);
        for keys in [
            "",
            "?",
            "esc f 'op'",
            "esc enter",
            "esc :",
            "esc y",
            "2 L z { G k",
            "Z } o o o",
            "1 : '121' enter",
        ] {
            inspector.press(keys);
        }
        inspector.press("esc esc");
        assert_eq!(inspector.focused(), FAILED, "{width}x{height}");
    }
    assert!(inspector.screen().contains("121"), "{}", inspector.screen());
}

#[test]
fn a_request_that_failed_is_told_by_words_and_a_mark_before_its_colour() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("e k");
    let screen = inspector.screen();
    let line = screen.lines().find(|line| line.trim_start().starts_with("121")).unwrap();
    assert!(line.contains("EIO") && line.ends_with('!'), "{line}");
}
