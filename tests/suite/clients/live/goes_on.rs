//! `--on-divergence report`: a replay that tells of a difference and goes on, to the end of its client.

use crate::clients::live::{Replay, record, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

const LINES: [&str; 6] = [
    "write -P 1 0 64k",
    "flush",
    "write -P 2 64k 4k",
    "read -P 1 0 64k",
    "write -P 3 128k 4k",
    "read -P 3 128k 4k",
];

/// Shorter than the default, so that what never comes is given up soon.
const REPORT: &str = "--on-divergence report --patience 1s";

/// The words that run `lines`; the client says so when it came to its end.
fn client(sandbox: &Sandbox, name: &str, lines: &[&str]) -> String {
    sandbox.write(&format!("{name}.script"), format!("{}\n", lines.join("\n")).as_bytes());
    sandbox.script(
        &format!("{name}.sh"),
        &format!(
            "qemu-io -t writeback -f raw \"$BLKREPLAY_URI\" <{name}.script >said || true\necho >ended"
        ),
    )
}

#[track_caller]
fn recorded(sandbox: &Sandbox) -> Trace {
    sandbox.blank("disk.img", MIB);
    sandbox.blank("before.img", MIB);
    let client = client(sandbox, "recorded", &LINES);
    let trace = record(sandbox, "--write --payload all", &client);
    sandbox.remove("ended");
    trace
}

/// Asserts that the replay told of these divergences, in this order, and that its client came to its end.
#[track_caller]
fn tells_of(sandbox: &Sandbox, replay: Replay, kinds: &[&str]) -> Replay {
    let Replay { finished, json } = replay;
    let finished = finished.ends_with(1);
    assert_eq!(json["verdict"], "diverged", "{finished}");
    let all = json["divergences"].as_array().unwrap();
    let told: Vec<&str> = all.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(told, kinds, "{finished}");
    assert!(sandbox.path("ended").exists(), "the client came to its end: {finished}");
    Replay { finished, json }
}

#[test]
fn a_write_that_is_moved_is_done_where_it_came_and_the_rest_is_as_it_was() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox);
    let mut lines = LINES;
    lines[2] = "write -P 2 68k 4k";
    let moved = client(&sandbox, "moved", &lines);
    let replayed = replay(&sandbox, &format!("before.img --write {REPORT}"), &moved);
    let Replay { finished, json } = tells_of(&sandbox, replayed, &["changed"]);
    assert_eq!((&json["extra"], &json["missing"]), (&1.into(), &1.into()), "{finished}");
    assert_eq!(json["replayed"], trace.rows.len() - 1, "{finished}");

    let mut expected = sandbox.read("disk.img");
    expected.copy_within(64 << 10..68 << 10, 68 << 10);
    expected[64 << 10..68 << 10].fill(0);
    assert!(sandbox.read("before.img") == expected, "the write is where it came");
}

#[test]
fn what_comes_beside_the_recording_is_answered_by_the_image() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox);
    let mut lines = LINES.to_vec();
    lines.extend(["write -P 7 512k 4k", "read -P 7 512k 4k"]);
    let more = client(&sandbox, "more", &lines);
    let replayed = replay(&sandbox, &format!("before.img {REPORT}"), &more);
    let Replay { finished, json } = tells_of(&sandbox, replayed, &["unexpected", "unexpected"]);
    assert_eq!((&json["extra"], &json["missing"]), (&2.into(), &0.into()), "{finished}");
    assert_eq!(json["replayed"], trace.rows.len(), "{finished}");
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(!said.contains("ailed"), "the image has what was written: {said}");
}

#[test]
fn a_flush_that_does_not_come_is_given_up_and_the_rest_is_as_it_was() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox);
    let mut lines = LINES.to_vec();
    lines.remove(1);
    let dropped = client(&sandbox, "dropped", &lines);
    let replayed = replay(&sandbox, &format!("before.img --write {REPORT}"), &dropped);
    let Replay { finished, json } = tells_of(&sandbox, replayed, &["order"]);
    assert_eq!(json["divergence"]["expected"]["op"], "flush", "{finished}");
    assert_eq!((&json["extra"], &json["missing"]), (&0.into(), &1.into()), "{finished}");
    assert_eq!(json["replayed"], trace.rows.len() - 1, "{finished}");
    sandbox.assert_same("before.img", "disk.img");
}

#[test]
fn without_an_image_what_comes_beside_the_recording_is_an_input_output_error() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox);
    let mut lines = LINES.to_vec();
    lines.insert(4, "write -P 7 512k 4k");
    let more = client(&sandbox, "more", &lines);
    let replayed = replay(&sandbox, REPORT, &more);
    // The write that came stands for the next one, which is one too many when it comes.
    let kinds = ["changed", "unexpected"];
    let Replay { finished, json } = tells_of(&sandbox, replayed, &kinds);
    assert_eq!(json["divergence"]["fields"], serde_json::json!(["offset", "data"]), "{finished}");
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert_eq!(said.matches("Input/output error").count(), 2, "{said}");
    assert!(json["replayed"].as_u64() < Some(trace.rows.len() as u64), "{finished}");
}
