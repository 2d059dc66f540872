//! `merge`: two recordings become one, which replays on both disks, and what is refused.

use super::*;

/// Records two disks, one after the other, as `one.blkr` and `two.blkr`.
fn record_two(sandbox: &Sandbox) {
    for (name, seed, pattern) in [("one", 1, 5), ("two", 2, 6)] {
        sandbox.solid(&format!("{name}.img"), seed, MIB);
        let commands = [
            format!("write -q -P {pattern} 0 64k"),
            format!("read -q -P {pattern} 4k 4k"),
            "read -q 512k 64k".to_owned(),
            "flush".to_owned(),
        ];
        let mut words = vec!["--", "qemu-io", "-f", "raw"];
        words.extend(commands.iter().flat_map(|command| ["-c", command]));
        words.push("{uri}");
        let record = format!("record {name}.img -o {name}.blkr --payload all");
        sandbox.blkreplay(&record).args(words).finish().succeeds();
    }
}

#[test]
fn two_recordings_become_one_that_replays_on_both_disks() {
    let sandbox = Sandbox::new();
    record_two(&sandbox);
    for (align, output) in [("clock", "both.blkr"), ("start", "together.blkr")] {
        let merge = format!("merge one.blkr two.blkr --align {align} -o {output}");
        sandbox.blkreplay(&merge).finish().succeeds().says(&["merged", "one.blkr", "of two"]);
        assert_sound(&sandbox, output);
        let requests = info(&sandbox, output)["requests"].as_u64().unwrap();
        assert_eq!(ids(&sandbox, output), (0..requests).collect::<Vec<_>>());
        let replayed = sandbox.blkreplay(&format!("replay {output} one.img two.img")).finish();
        replayed.succeeds().says(&["reads verified 4", "0 differences"]);
        // Each disk has what its own client did, and no other would do.
        sandbox.blkreplay(&format!("replay {output} two.img one.img")).finish().ends_with(2);
        for name in ["one", "two"] {
            let of = |trace: &str, member: &str| {
                let rows = sandbox.printed(&format!("{trace} --json -f dev=={name}"));
                let value = |line: &str| {
                    let row: serde_json::Value = serde_json::from_str(line).unwrap();
                    row[member].clone()
                };
                rows.lines().map(value).collect::<Vec<_>>()
            };
            for member in ["op", "off", "len", "payload", "lat", "hold", "result", "epoch"] {
                let before = of(&format!("{name}.blkr"), member);
                assert_eq!(of(output, member), before, "{name} {member}");
            }
        }
    }
    let shifts = |trace: &str| {
        let merged = info(&sandbox, trace)["merged"].clone();
        [0, 1].map(|place| merged[place]["shift"].as_u64().unwrap())
    };
    let clocks = ["one.blkr", "two.blkr"]
        .map(|trace| info(&sandbox, trace)["wall_clock_ns"].as_u64().unwrap());
    assert_eq!(shifts("both.blkr"), [0, clocks[1] - clocks[0]]);
    assert_eq!(shifts("together.blkr"), [0, 0]);
    assert_eq!(info(&sandbox, "both.blkr")["wall_clock_ns"], clocks[0]);
    assert_eq!(info(&sandbox, "together.blkr")["wall_clock_ns"], 0, "it means nothing there");
}

#[test]
fn a_trace_merged_with_itself_has_devices_with_names_of_their_own() {
    let sandbox = Sandbox::holding("native/operations.blkr");
    sandbox.blkreplay("merge t.blkr t.blkr -o twice.blkr").finish().succeeds();
    assert_sound(&sandbox, "twice.blkr");
    let info = info(&sandbox, "twice.blkr");
    let name = |place: usize| info["devices"][place]["name"].as_str().unwrap().to_owned();
    assert_eq!(name(1), format!("{}-2", name(0)));
    assert_eq!(info["merged"][1]["devices"][0].as_str().unwrap(), name(1));
    assert_eq!(info["requests"], 2 * ids(&sandbox, "t.blkr").len());
}

#[test]
fn policies_that_differ_are_told_as_the_least_of_them() {
    let sandbox = Sandbox::new();
    for (name, policy) in [("one", "hash"), ("two", "all")] {
        sandbox.blank(&format!("{name}.img"), MIB);
        let record =
            format!("record {name}.img -o {name}.blkr --payload {policy} -- qemu-io -f raw");
        let words = ["-c", "write -q -P 1 0 4k", "{uri}"];
        sandbox.blkreplay(&record).args(words).finish().succeeds();
    }
    let merged = sandbox.blkreplay("merge one.blkr two.blkr -o both.blkr").finish().succeeds();
    merged.says(&["payload", "hash: the least that one of them has"]);
    assert_sound(&sandbox, "both.blkr");
    assert_eq!(info(&sandbox, "both.blkr")["payload"], "hash");
    assert_eq!(info(&sandbox, "both.blkr")["payloads"], 1, "what there is came along");
}

#[test]
fn two_machines_and_traces_without_a_clock_are_refused() {
    let sandbox = Sandbox::holding("native/guest.blkr");
    sandbox.write("plain.blkr", &bytes("native/operations.blkr"));
    let two = sandbox.blkreplay("merge t.blkr t.blkr -o x.blkr").finish().ends_with(2);
    two.says(&["cannot merge t.blkr and t.blkr", "virtual machines", "hint"]);
    sandbox.blkreplay("merge t.blkr plain.blkr -o one.blkr").finish().succeeds();
    assert_sound(&sandbox, "one.blkr");
    sandbox.blkreplay("anonymize plain.blkr -o nameless.blkr").finish().succeeds();
    let clockless = sandbox.blkreplay("merge nameless.blkr nameless.blkr -o x.blkr").finish();
    clockless.ends_with(2).says(&["does not say when it was recorded", "hint: --align start"]);
    let align = "--align start -o x.blkr";
    sandbox.blkreplay(&format!("merge nameless.blkr nameless.blkr {align}")).finish().succeeds();
    assert_sound(&sandbox, "x.blkr");
    sandbox.remove("x.blkr");
    let tokens = sandbox.blkreplay(&format!("merge nameless.blkr plain.blkr {align}")).finish();
    tokens.ends_with(2).says(&["digests cannot be compared"]);
    sandbox.blkreplay("merge plain.blkr -o x.blkr").finish().ends_with(2).says(&["TRACE"]);
    assert_eq!(files(&sandbox), ["nameless.blkr", "one.blkr", "plain.blkr", "t.blkr"]);
}

#[test]
fn outputs_and_inputs_that_cannot_be_are_refused() {
    assert_refuses_outputs("merge", "t.blkr t.blkr");
    assert_refuses_inputs("merge", "t.blkr");
}
