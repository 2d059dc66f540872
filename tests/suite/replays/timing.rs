//! `--timing` and `--max-slip`: when requests go, and how late they may be. No test here measures time.

use serde_json::Value;

use crate::replays::{assert_holds, image_after, json, keys, recorded};

#[test]
fn with_recorded_or_scaled_times_both_streams_say_how_late_requests_went() {
    let sandbox = recorded();
    for timing in ["recorded", "scaled=50x", "scaled=1.5x", "scaled=20"] {
        let line = format!(
            "replay t.blkr before.img --json --timing {timing} --output-image after.img --force"
        );
        let finished =
            sandbox.blkreplay(&line).finish().succeeds().says(&["late by  p50 ", "  max "]);
        let told = json(&finished);
        assert_eq!(told["verdict"], "same");
        let late = &told["late"];
        assert_eq!(keys(late), ["max", "p50", "p99"].into());
        let figure = |name: &str| late[name].as_u64().unwrap();
        assert!(figure("p50") <= figure("p99") && figure("p99") <= figure("max"), "{late}");
        assert_holds(&sandbox, "after.img", &image_after(&sandbox, "before.img", u64::MAX));
    }
}

#[test]
fn as_soon_as_order_allows_nothing_is_late() {
    let sandbox = recorded();
    for options in ["", "--timing asap"] {
        let line = format!("replay t.blkr before.img --json {options}");
        let finished = sandbox.blkreplay(&line).finish().succeeds();
        assert_eq!(json(&finished)["late"], Value::Null);
        assert!(!finished.stderr.contains("late by"), "{finished}");
    }
}

#[test]
fn a_bound_that_is_kept_passes_and_one_that_is_not_is_a_difference() {
    let sandbox = recorded();
    for bound in ["p50=1h", "p90=1h", "p99=60m", "max=3600s"] {
        let line =
            format!("replay t.blkr before.img --timing scaled=50x --json --max-slip {bound}");
        assert_eq!(json(&sandbox.blkreplay(&line).finish().succeeds())["verdict"], "same");
    }
    // Thirteen requests cannot all go in the very nanosecond.
    let line = "replay t.blkr before.img --timing scaled=50x --json --max-slip max=1ns";
    let late = sandbox
        .blkreplay(line)
        .finish()
        .ends_with(1)
        .says(&["error: requests went out later than --max-slip: max ", ", the bound is 1ns\n"]);
    let told = json(&late);
    assert_eq!(told["verdict"], "late");
    assert_eq!(told["divergence"], Value::Null, "being late is no divergence");
    assert!(told["late"]["max"].as_u64().unwrap() > 1, "{told}");
}
