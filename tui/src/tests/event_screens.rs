//! Pictures of events and checkpoints, of logs and of traces, at several sizes. `SNAPSHOTS=overwrite` draws them anew.

use blkreplay_fixtures::story;
use snapbox::{Data, assert_data_eq, file};

use super::Inspector;
use super::growing::file as trace_file;
use super::logs::log;

#[track_caller]
fn log_looks_like(expected: Data, (width, height): (u16, u16), keys: &str) {
    let mut inspector = Inspector::of_log(&log("q100-boot_a"), "0c/v8.0", width, height);
    inspector.press(keys);
    assert_data_eq!(inspector.screen(), expected.raw());
}

#[track_caller]
fn trace_looks_like(expected: Data, (width, height): (u16, u16), keys: &str) {
    let file = trace_file(&story::released());
    let mut inspector = Inspector::of(file.path(), width, height);
    inspector.press(keys);
    assert_data_eq!(inspector.screen(), expected.raw());
}

const COMPLETED: &str = ": '#5' enter";
const EVENTS: &str = ": '#5' enter enter";

#[test]
fn checkpoints_of_a_log_at_every_size() {
    log_looks_like(file!["screens/log-checkpoints-40x10.txt"], (40, 10), COMPLETED);
    log_looks_like(file!["screens/log-checkpoints-80x24.txt"], (80, 24), COMPLETED);
    log_looks_like(file!["screens/log-checkpoints-120x40.txt"], (120, 40), COMPLETED);
    log_looks_like(file!["screens/log-checkpoints-200x60.txt"], (200, 60), COMPLETED);
    log_looks_like(file!["screens/log-released-80x24.txt"], (80, 24), "h G");
}

#[test]
fn events_of_a_log_at_every_size() {
    log_looks_like(file!["screens/log-events-40x10.txt"], (40, 10), EVENTS);
    log_looks_like(file!["screens/log-events-80x24.txt"], (80, 24), EVENTS);
    log_looks_like(file!["screens/log-events-120x40.txt"], (120, 40), EVENTS);
    log_looks_like(file!["screens/log-events-200x60.txt"], (200, 60), EVENTS);
    log_looks_like(file!["screens/log-map-80x24.txt"], (80, 24), "2");
    log_looks_like(file!["screens/log-kinds-80x24.txt"], (80, 24), "5");
}

#[test]
fn a_damaged_log_has_a_banner_marks_and_findings() {
    let looks_like = |expected: Data, name: &str, keys: &str| {
        let mut inspector = Inspector::of_log(&log(name), "0c/v8.0", 80, 24);
        inspector.press(keys);
        assert_data_eq!(inspector.screen(), expected.raw());
    };
    looks_like(file!["screens/log-cut-80x24.txt"], "q100-trunc-half", "G");
    looks_like(file!["screens/log-findings-80x24.txt"], "q100-flip-blockid", "9 j");
    looks_like(file!["screens/log-finding-80x24.txt"], "q100-flip-blockid", "w 7");
}

#[test]
fn checkpoints_of_a_trace_at_every_size() {
    trace_looks_like(file!["screens/checkpoints-40x10.txt"], (40, 10), "e 7");
    trace_looks_like(file!["screens/checkpoints-80x24.txt"], (80, 24), "e 7");
    trace_looks_like(file!["screens/checkpoints-120x40.txt"], (120, 40), "e 7");
    trace_looks_like(file!["screens/checkpoints-200x60.txt"], (200, 60), "e 7");
    trace_looks_like(
        file!["screens/checkpoints-filter-80x24.txt"],
        (80, 24),
        "f 'flush' enter 7 j",
    );
}

#[test]
fn events_of_a_trace_at_every_size() {
    trace_looks_like(file!["screens/events-40x10.txt"], (40, 10), "e % j");
    trace_looks_like(file!["screens/events-80x24.txt"], (80, 24), "e % j");
    trace_looks_like(file!["screens/events-120x40.txt"], (120, 40), "e % %");
    trace_looks_like(file!["screens/events-200x60.txt"], (200, 60), "e %");
}
