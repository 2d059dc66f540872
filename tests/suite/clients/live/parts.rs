//! Replays of a part: up to a position, as far as a cut trace goes, and without an image as far as the trace has the data.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const LINES: [&str; 4] =
    ["write -P 1 0 64k", "read -P 1 0 64k", "write -P 2 64k 64k", "read -P 2 64k 64k"];

/// The words that run [`LINES`], with something in the middle; what it prints goes to the file `said`.
fn client(sandbox: &Sandbox, name: &str, middle: &str) -> String {
    let run = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| format!("-c '{line}'")).collect();
        format!("qemu-io -t writeback -f raw {} \"$BLKREPLAY_URI\" >>said", lines.join(" "))
    };
    let (first, second) = LINES.split_at(2);
    sandbox.script(&format!("{name}.sh"), &format!("{}\n{middle}\n{}", run(first), run(second)))
}

#[track_caller]
fn recorded(sandbox: &Sandbox, options: &str, middle: &str) -> Trace {
    sandbox.blank("disk.img", 1 << 20);
    let client = client(sandbox, "recorded", middle);
    let trace = record(sandbox, options, &client);
    sandbox.remove("said");
    trace
}

#[test]
fn a_replay_up_to_a_position_ends_there_and_asks_nothing_of_the_client_behind_it() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox, "", "");
    let client = client(&sandbox, "again", "");
    let first = trace.of("write").nth(1).unwrap().id;
    let replayed = replay(&sandbox, &format!("disk.img -o t2.blkr --until #{first}"), &client);
    let finished = replayed.finished.succeeds().says(&[&format!("where #{first} is")]);
    assert_eq!(replayed.json["replayed"], first, "{finished}");
    assert_eq!(Trace::whole(&sandbox, "t2.blkr").rows.len() as u64, first);
}

#[test]
fn a_cut_trace_is_refused_unless_what_there_is_will_do() {
    let sandbox = Sandbox::new();
    // A chunk is written every quarter of a second; the copy holds whole ones and no end.
    let trace = recorded(&sandbox, "", "sleep 1; cp t.blkr cut.blkr");
    let client = client(&sandbox, "again", "");
    sandbox
        .blkreplay(&format!("replay cut.blkr disk.img -- {client}"))
        .finish()
        .ends_with(2)
        .says(&["--allow-truncated"]);
    assert!(!sandbox.path("said").exists(), "the client was not started");

    let arguments = format!("replay cut.blkr disk.img --allow-truncated --json -- {client}");
    let finished = sandbox.blkreplay(&arguments).finish().ends_with(3);
    let json: serde_json::Value = serde_json::from_str(finished.stdout.trim()).unwrap();
    assert_eq!(
        (&json["trace_cut"], &json["verdict"]),
        (&true.into(), &"same".into()),
        "{finished}"
    );
    let half = trace.of("write").nth(1).unwrap().id;
    assert_eq!(json["replayed"], half, "{finished}");
}

#[test]
fn without_an_image_the_trace_answers_if_it_has_the_data_of_all_reads() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox, "--payload all", "");
    sandbox.remove("disk.img");
    let client = client(&sandbox, "again", "");
    replay(&sandbox, "", &client).repeats(&trace);
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(said.contains("read 65536/65536") && !said.contains("ailed"), "{said}");
}

#[test]
fn without_an_image_and_the_data_of_a_read_no_client_is_started() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox, "--payload write", "");
    let client = client(&sandbox, "again", "");
    let read = trace.of("read").next().unwrap().id;
    let said = format!("read #{read} of 65536 bytes at 0 has no data in the trace");
    sandbox.blkreplay(&format!("replay t.blkr -- {client}")).finish().ends_with(2).says(&[&said]);
    assert!(!sandbox.path("said").exists(), "the client was not started");
}
