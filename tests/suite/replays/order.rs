//! `--order` and `--depth`: which requests wait for which, seen in the replay's own trace and on the image.

use serde_json::Value;

use crate::replays::{REQUESTS, assert_holds, events, image_after, json, recorded, steps};
use crate::support::Sandbox;
use crate::trace::{Row, Trace};

/// Replays onto a copy of the image, with a trace of its own: `again.blkr`.
#[track_caller]
fn replay(sandbox: &Sandbox, options: &str) -> Value {
    sandbox.copy("before.img", "again.img");
    let line = format!("replay t.blkr again.img --write -o again.blkr --force --json {options}");
    json(&sandbox.blkreplay(&line).finish().succeeds())
}

/// How many requests were under way at once, at most.
fn most_under_way(events: &[Value]) -> usize {
    let (mut now, mut most) = (0, 0);
    for event in events {
        match event["kind"].as_str() {
            Some("issue") => now += 1,
            Some("block") => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// A request without what may be another each time.
fn asked(row: &Row) -> Row {
    Row { t: 0, ..row.clone() }
}

#[test]
fn the_recorded_order_gives_the_same_steps_the_same_results_and_the_same_image() {
    let sandbox = recorded();
    for options in ["", "--order recorded"] {
        let told = replay(&sandbox, options);
        assert_eq!((&told["verdict"], &told["replayed"]), (&"same".into(), &REQUESTS.into()));
        assert_eq!((&told["reads_verified"], &told["reads_unverified"]), (&4.into(), &0.into()));
        assert_holds(&sandbox, "again.img", &image_after(&sandbox, "before.img", u64::MAX));

        sandbox.blkreplay("check --deep again.blkr").finish().succeeds();
        let (recorded, again) = (events(&sandbox, "t.blkr"), events(&sandbox, "again.blkr"));
        assert_eq!(steps(&recorded), steps(&again));
        assert_eq!(recorded.len(), again.len(), "connections and marks are taken over, too");
        let kinds =
            |events: &[Value]| events.iter().map(|it| it["kind"].clone()).collect::<Vec<_>>();
        assert_eq!(kinds(&recorded), kinds(&again));
        // The data of writes are there again, so that this trace can be replayed as well.
        sandbox.blkreplay("replay again.blkr before.img").finish().succeeds();
    }
}

#[test]
fn the_order_of_conflicts_does_the_same_requests_and_leaves_the_same_image() {
    let sandbox = recorded();
    let told = replay(&sandbox, "--order conflict");
    assert_eq!((&told["verdict"], &told["replayed"]), (&"same".into(), &REQUESTS.into()));
    assert_eq!((&told["reads_verified"], &told["reads_unverified"]), (&4.into(), &0.into()));
    assert_holds(&sandbox, "again.img", &image_after(&sandbox, "before.img", u64::MAX));

    let recorded = Trace::whole(&sandbox, "t.blkr").rows;
    let mut again = crate::trace::rows(
        &sandbox.blkreplay("print again.blkr --json").finish().succeeds().stdout,
    );
    sandbox.blkreplay("check --deep again.blkr").finish().succeeds();
    let info = sandbox.blkreplay("info again.blkr").finish().succeeds();
    assert!(info.stdout.contains(", --order conflict\n"), "{info}");
    again.sort_by_key(|row| row.id);
    assert_eq!(
        recorded.iter().map(asked).collect::<Vec<_>>(),
        again.iter().map(asked).collect::<Vec<_>>()
    );
    // Without being told to keep a trace it goes the same way.
    sandbox.blkreplay("replay t.blkr before.img --order conflict").finish().succeeds();
}

#[test]
fn without_an_order_all_is_done_and_only_what_nothing_could_touch_counts_as_verified() {
    let sandbox = recorded();
    let told = replay(&sandbox, "--order none");
    assert_eq!((&told["verdict"], &told["replayed"]), (&"same".into(), &REQUESTS.into()));
    let [verified, unverified] =
        ["reads_verified", "reads_unverified"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(verified + unverified, 4);
    assert!(verified >= 2, "nobody writes where #6 and #11 read: {told}");
    let again = Trace::whole(&sandbox, "again.blkr");
    assert_eq!(again.tally(), Trace::whole(&sandbox, "t.blkr").tally());
}

#[test]
fn no_more_requests_are_under_way_than_depth_says() {
    let sandbox = recorded();
    for order in ["conflict", "none"] {
        for depth in 1..=3 {
            replay(&sandbox, &format!("--order {order} --depth {depth}"));
            let most = most_under_way(&events(&sandbox, "again.blkr"));
            assert!((1..=depth).contains(&most), "{order}: {most} with --depth {depth}");
        }
    }
    replay(&sandbox, "--depth 1");
    assert_holds(&sandbox, "again.img", &image_after(&sandbox, "before.img", u64::MAX));
}
