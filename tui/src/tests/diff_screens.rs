//! Pictures of the comparison, as text, at several sizes. `SNAPSHOTS=overwrite cargo test` draws them anew: look at each.

use snapbox::{Data, assert_data_eq, file};

use super::diff::retold;

#[track_caller]
fn looks_like(expected: Data, size: (u16, u16), keys: &str) {
    let mut two = retold(size);
    two.inspector.press(keys);
    assert_data_eq!(two.inspector.screen(), expected.raw());
}

const FIRST: &str = "n";
const BYTES: &str = "n n enter";
const UNFOLDED: &str = "n n j enter";

#[test]
fn on_40x10_a_line_has_the_requests_of_both_sides() {
    looks_like(file!["screens/diff-40x10.txt"], (40, 10), FIRST);
    looks_like(file!["screens/diff-bytes-40x10.txt"], (40, 10), BYTES);
}

#[test]
fn on_80x24_both_sides_are_beside_each_other() {
    looks_like(file!["screens/diff-80x24.txt"], (80, 24), FIRST);
    looks_like(file!["screens/diff-bytes-80x24.txt"], (80, 24), BYTES);
    looks_like(file!["screens/diff-unfolded-80x24.txt"], (80, 24), UNFOLDED);
    looks_like(file!["screens/diff-rule-80x24.txt"], (80, 24), "n n i 'random'");
    looks_like(file!["screens/diff-filter-80x24.txt"], (80, 24), "f 'write && off < 1M' enter G");
}

#[test]
fn on_larger_screens_more_columns_are_there() {
    looks_like(file!["screens/diff-100x26.txt"], (100, 26), "n n n");
    looks_like(file!["screens/diff-120x40.txt"], (120, 40), UNFOLDED);
    looks_like(file!["screens/diff-bytes-120x40.txt"], (120, 40), "n d");
    looks_like(file!["screens/diff-200x60.txt"], (200, 60), BYTES);
}

#[test]
fn whatever_the_size_something_is_drawn_and_nothing_breaks() {
    let mut two = retold((80, 24));
    for (width, height) in
        [(1, 1), (0, 0), (3, 2), (17, 5), (59, 14), (79, 9), (81, 6), (300, 100), (40, 10)]
    {
        two.inspector.terminal.backend_mut().resize(width, height);
        for keys in ["g n", "enter", "n", "l l h", "esc", "k enter", "h", "i", "esc", "b n", "1 8"]
        {
            two.inspector.press(keys);
        }
    }
    assert!(two.inspector.screen().contains("5 differences"), "{}", two.inspector.screen());
}
