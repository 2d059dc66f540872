//! `slice`: what a part has, what it says of itself, that it replays, and what is refused.

use super::*;

#[test]
fn a_part_has_what_was_issued_in_it_and_says_where_it_was_cut() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let all = ids(&sandbox, "t.blkr");
    let cut = "slice t.blkr -o part.blkr --from flush:1 --to flush:2";
    sandbox.blkreplay(cut).finish().succeeds().says(&["sliced", "part.blkr", "next"]);
    assert_sound(&sandbox, "part.blkr");
    let kept = ids(&sandbox, "part.blkr");
    let first = all.iter().position(|id| *id == kept[0]).unwrap();
    assert_eq!(all[first..first + kept.len()], kept, "ids stay what they were");
    let flushes: Vec<_> = members(&sandbox, "part.blkr", "op");
    assert_eq!(flushes.iter().filter(|op| *op == "flush").count(), 1, "{flushes:?}");
    let same = |trace: &str, id: u64| {
        let lines = sandbox.printed(&format!("{trace} --json -f id=={id}"));
        let mut row: serde_json::Value = serde_json::from_str(lines.trim()).unwrap();
        row["epoch"].take();
        row
    };
    for id in kept {
        assert_eq!(same("part.blkr", id), same("t.blkr", id));
    }
    let (part, whole) = (info(&sandbox, "part.blkr"), info(&sandbox, "t.blkr"));
    assert_ne!(part["uuid"], whole["uuid"]);
    let said = &part["sliced"][0];
    assert_eq!(said["of"], whole["uuid"]);
    assert_eq!((&said["from"], &said["to"]), (&"flush:1".into(), &"flush:2".into()));
    assert_eq!((&said["requests"], &said["of_requests"]), (&part["requests"], &whole["requests"]));
    assert!(said.get("filter").is_none(), "{said}");
    let text = sandbox.blkreplay("info part.blkr").finish().succeeds().stdout;
    assert!(text.contains("--from flush:1, --to flush:2"), "{text}");
}

#[test]
fn a_filter_and_positions_go_together_and_a_part_of_a_part_says_both_cuts() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let run = |arguments: &str, words: &[&str]| {
        let invocation = sandbox.blkreplay(arguments).args(words);
        invocation.finish().succeeds();
    };
    run("slice t.blkr -o part.blkr", &["--from", "mark:secret plan", "-f", "write"]);
    assert_sound(&sandbox, "part.blkr");
    let offsets = members(&sandbox, "part.blkr", "off");
    assert_eq!(offsets, [0], "only the write behind the mark");
    run("slice part.blkr -o again.blkr -f", &["len == 4k"]);
    assert_sound(&sandbox, "again.blkr");
    let sliced = info(&sandbox, "again.blkr")["sliced"].clone();
    assert_eq!(sliced.as_array().unwrap().len(), 2);
    assert_eq!(sliced[1]["of"], info(&sandbox, "part.blkr")["uuid"]);
    assert_eq!(
        (&sliced[0]["filter"], &sliced[1]["filter"]),
        (&"write".into(), &"len == 4k".into())
    );
}

#[test]
fn a_part_replays_on_the_disk_as_it_was_where_it_begins() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let whole = "slice t.blkr -o whole.blkr --to end";
    sandbox.blkreplay(whole).finish().succeeds();
    let verified = sandbox.blkreplay("replay whole.blkr disk.img").finish().succeeds();
    verified.says(&["reads verified 3", "0 differences"]);
    let then = "replay t.blkr disk.img --until flush:1 --output-image then.img";
    sandbox.blkreplay(then).finish().succeeds();
    let part = sandbox.blkreplay("slice t.blkr -o part.blkr --from flush:1").finish().succeeds();
    part.says(&["left out 2 changes"]);
    let verified = sandbox.blkreplay("replay part.blkr then.img").finish().succeeds();
    verified.says(&["reads verified 3", "0 differences"]);
    // The disk as it was when the recording began is another one, and a read tells.
    sandbox.blkreplay("replay part.blkr disk.img").finish().ends_with(1).says(&["data"]);
    let device = info(&sandbox, "part.blkr")["devices"][0].clone();
    assert_eq!(device["fingerprint"]["method"], "none", "{device}");
}

#[test]
fn one_device_is_cut_out_with_its_requests_only() {
    let sandbox = Sandbox::holding("native/two-devices.blkr");
    let names: Vec<_> = info(&sandbox, "t.blkr")["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["name"].as_str().unwrap().to_owned())
        .collect();
    let name = &names[1];
    sandbox.blkreplay(&format!("slice t.blkr --dev {name} -o part.blkr")).finish().succeeds();
    assert_sound(&sandbox, "part.blkr");
    let of_device = sandbox.printed(&format!("t.blkr --json -f dev=={name}"));
    assert_eq!(sandbox.printed("part.blkr --json"), of_device);
    let devices = info(&sandbox, "part.blkr")["devices"].clone();
    assert_eq!(devices.as_array().unwrap().len(), 1);
    let unknown = sandbox.blkreplay("slice t.blkr --dev nobody -o x.blkr").finish().ends_with(2);
    unknown.says(&["there is no device `nobody`", &names.join(", ")]);
}

#[test]
fn a_part_with_nothing_in_it_is_a_trace_and_says_why() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let nothing = sandbox.blkreplay("slice t.blkr -o none.blkr -f").args(["write && off == 7"]);
    nothing.finish().succeeds().says(&["0 of", "none passes `off == 7`"]);
    assert_sound(&sandbox, "none.blkr");
    assert!(ids(&sandbox, "none.blkr").is_empty());
    let nothing = sandbox.blkreplay("slice t.blkr -o void.blkr --from #2 --to #2").finish();
    nothing.succeeds().says(&["no request was issued in this part"]);
    assert_sound(&sandbox, "void.blkr");
}

#[test]
fn what_a_machine_did_stays_in_a_cut_by_position_and_not_in_one_by_filter() {
    let sandbox = Sandbox::holding("native/guest.blkr");
    let count = |trace: &str| {
        let events = sandbox.printed(&format!("{trace} --events --json"));
        events.lines().filter(|line| line.contains("\"kind\":\"instruction\"")).count()
    };
    sandbox.blkreplay("slice t.blkr -o all.blkr --from event:0").finish().succeeds();
    assert_sound(&sandbox, "all.blkr");
    assert!(count("t.blkr") > 0);
    assert_eq!(count("all.blkr"), count("t.blkr"));
    let filtered = sandbox.blkreplay("slice t.blkr -o some.blkr -f").args(["off >= 0"]).finish();
    filtered.succeeds().says(&["left out", "of the virtual machine"]);
    assert_sound(&sandbox, "some.blkr");
    assert_eq!(count("some.blkr"), 0);
    assert_eq!(ids(&sandbox, "some.blkr"), ids(&sandbox, "t.blkr"));
}

#[test]
fn parts_of_a_replay_and_of_a_recovered_trace_say_so_too() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    sandbox.blkreplay("replay t.blkr disk.img -o t2.blkr --order none").finish().succeeds();
    let trace = sandbox.read("t.blkr");
    sandbox.write("cut.blkr", &trace[..trace.len() - 300]);
    sandbox.blkreplay("recover cut.blkr -o whole.blkr").finish().ends_with(3);
    for (trace, member) in [("t2.blkr", "replay"), ("whole.blkr", "recovered")] {
        let cut = format!("slice {trace} -o part.blkr --force -f write");
        sandbox.blkreplay(&cut).finish().succeeds();
        assert_sound(&sandbox, "part.blkr");
        let info = info(&sandbox, "part.blkr");
        assert!(info[member].is_object() && info["sliced"].is_array(), "{info}");
    }
}

#[test]
fn a_part_goes_through_a_pipe() {
    let sandbox = Sandbox::holding("native/operations.blkr");
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let script = sandbox.script(
        "pipe.sh",
        &format!("cat t.blkr | {program} slice - -f write -o - | {program} print - > out.txt"),
    );
    sandbox.tool("sh").args(script.split(' ').skip(1)).finish().succeeds();
    let direct = sandbox.printed("t.blkr -f write");
    let epochless = |text: &str| text.lines().count();
    assert_eq!(epochless(&String::from_utf8(sandbox.read("out.txt")).unwrap()), epochless(&direct));
}

#[test]
fn a_cut_that_makes_no_sense_is_refused_and_nothing_is_left() {
    let sandbox = Sandbox::holding("native/operations.blkr");
    for (arguments, why) in [
        ("--from #99999", "it has nothing at #99999"),
        ("--to flush:99", "it has nothing at flush:99"),
        ("--from 1h", "it has nothing at 3600s"),
        ("--from #2 --to #1", "#1 lies before #2"),
        ("--from flush:nobody/1", "there is no device `nobody`"),
        ("--from begin", "is no position"),
        ("-f wirte", "write"),
        ("", "--filter"),
    ] {
        let refused = sandbox.blkreplay(&format!("slice t.blkr -o x.blkr {arguments}")).finish();
        refused.ends_with(2).says(&[why]);
    }
    assert_eq!(files(&sandbox), ["t.blkr"]);
}

#[test]
fn outputs_and_inputs_that_cannot_be_are_refused() {
    assert_refuses_outputs("slice --from event:0", "t.blkr");
    assert_refuses_inputs("slice --from event:0", "");
}
