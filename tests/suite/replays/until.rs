//! `--until`: a replay stops at each form of a position, says where, and leaves the image as it was there.

use crate::replays::{REQUESTS, SIZE, assert_holds, events, image_after, issue_of, json, recorded};
use crate::support::Sandbox;

/// Asserts that a replay until `position` stops before `event`, after the requests below `done`.
#[track_caller]
fn check(sandbox: &Sandbox, position: &str, event: u64, done: u64) {
    let finished = sandbox
        .blkreplay("replay t.blkr before.img --output-image then.img --force --json --until")
        .args([position])
        .finish()
        .succeeds()
        .says(&[
            &format!("stopped before event {event}, where {position} is\n"),
            &format!("then.img  state before event {event}\n"),
            &format!("replayed {done} of {REQUESTS} requests"),
        ]);
    let told = json(&finished);
    assert_eq!((&told["until"], &told["verdict"]), (&event.into(), &"same".into()), "{position}");
    assert_eq!((&told["replayed"], &told["requests"]), (&done.into(), &REQUESTS.into()));
    assert_eq!(told["trace_cut"], false, "nothing is missing that was wanted");
    assert_holds(sandbox, "then.img", &image_after(sandbox, "before.img", done));
}

#[test]
fn a_replay_stops_at_each_form_of_a_position_and_leaves_the_image_as_it_was_there() {
    let sandbox = recorded();
    let events = events(&sandbox, "t.blkr");
    let place = |event: &serde_json::Value| event["seq"].as_u64().unwrap();
    let kind = |kind: &str| place(events.iter().find(|event| event["kind"] == kind).unwrap());
    let flush = |number: usize| {
        let flushes =
            events.iter().filter(|event| event["kind"] == "block" && event["op"] == "flush");
        place(flushes.into_iter().nth(number - 1).unwrap())
    };
    let sixth = issue_of(&events, 6);
    let (event, time) = (place(sixth), sixth["t"].as_u64().unwrap());

    check(&sandbox, "#0", place(issue_of(&events, 0)), 0);
    check(&sandbox, "#6", event, 6);
    check(&sandbox, &format!("event:{event}"), event, 6);
    // What was issued before it is completed, though its completion is behind it.
    check(&sandbox, &format!("event:{}", event + 1), event + 1, 7);
    check(&sandbox, "flush:1", flush(1), 5);
    check(&sandbox, "flush:disk/2", flush(2), 8);
    check(&sandbox, "mark:half", kind("mark"), 8);
    check(&sandbox, "end", kind("end"), REQUESTS);
    check(&sandbox, "0s", 0, 0);
    // As the program prints it: in seconds.
    let seconds = format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
    check(&sandbox, &format!("{}s", seconds.trim_end_matches('0')), event, 6);
    for order in ["conflict", "none"] {
        let line = format!("replay t.blkr before.img --order {order} --json --until #6");
        let told = json(&sandbox.blkreplay(&line).finish().succeeds());
        assert_eq!((&told["replayed"], &told["until"]), (&6.into(), &event.into()), "{order}");
    }
}

#[test]
fn the_replays_own_trace_ends_there_too() {
    let sandbox = recorded();
    sandbox.blkreplay("replay t.blkr before.img --until #6 -o part.blkr").finish().succeeds();
    sandbox.blkreplay("check --deep part.blkr").finish().succeeds();
    assert_eq!(crate::trace::Trace::whole(&sandbox, "part.blkr").rows.len(), 6);
}

#[test]
fn a_position_that_is_not_there_is_refused_before_the_first_request() {
    let sandbox = recorded();
    for position in ["#13", "event:4711", "10800s", "flush:9", "flush:disk/9", "mark:other"] {
        sandbox
            .blkreplay("replay t.blkr before.img --output-image then.img --until")
            .args([position])
            .finish()
            .ends_with(2)
            .says(&[
                &format!("error: {position} is not in t.blkr\n"),
                "hint: blkreplay print --events t.blkr\n",
            ]);
        assert!(!sandbox.path("then.img").exists());
    }
    sandbox
        .blkreplay("replay t.blkr before.img --until flush:other/1")
        .finish()
        .ends_with(2)
        .says(&["error: there is no device `other`; the trace has disk\n"]);
    assert_eq!(sandbox.read("before.img").len() as u64, SIZE);
}
