//! `info` and `print` on QEMU logs, whole and hurt: what they say, in which form, and how they end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{hurt, log};
use crate::support::{Finished, Sandbox};

/// A sandbox with the log `name` as `q.rr`.
fn with(name: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("q.rr", &log(&format!("qemu/logs/{name}.rr.zst")));
    sandbox
}

fn run(sandbox: &Sandbox, words: &str) -> Finished {
    sandbox.blkreplay(words).finish()
}

/// The lines of JSON that a command printed.
#[track_caller]
fn json(finished: &Finished) -> Vec<Value> {
    let lines = finished.stdout.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn info_tells_what_a_log_is() {
    let told = run(&with("q100-boot_a"), "info q.rr").succeeds();
    let expected = "\
q.rr  QEMU log  complete  14 KiB  3,758 events  5,999,516 instructions
  version     0xe0200c
  layout      0c/v8.0, found by trying those of its version
  QEMU        7.2 to 10.2
  requests    73 completed, in the order of their numbers
  first       #0 at event 1,434, 5,829,325 instructions in
  last        #72 at event 3,735, 5,999,018 instructions in
kind                               events
INSTRUCTION                         1,303
INTERRUPT                               2
EXCEPTION                              76
ASYNC_BH_ONESHOT                        1
ASYNC_BLOCK                            73
SHUTDOWN_HOST_SIGNAL                    1
SHUTDOWN_GUEST_SHUTDOWN                 1
CHAR_WRITE                             27
CLOCK_HOST                            360
CLOCK_VIRTUAL_RT                      327
CP_CLOCK_WARP_ACCOUNT               1,261
CP_CLOCK_VIRTUAL                        1
CP_CLOCK_HOST                         161
CP_CLOCK_VIRTUAL_RT                   161
CP_INIT                                 1
CP_RESET                                1
END                                     1
";
    assert_eq!(told.stdout, expected);
    let told = run(&with("q100-linux_a"), "info q.rr").succeeds();
    assert!(told.stdout.contains("124 completed, 40 behind one with a higher number"), "{told}");
}

#[test]
fn info_tells_programs_the_same() {
    for (name, releases) in [("q52-boot_a", "5.1 to 7.0"), ("q111-rich", "11.1")] {
        let sandbox = with(name);
        let told = run(&sandbox, "info q.rr --json").succeeds();
        let [info] = &json(&told)[..] else { panic!("{told}") };
        assert_eq!(
            (&info["schema"], &info["format"]),
            (&"blkreplay.info/1".into(), &"qemu-log".into())
        );
        assert_eq!((&info["complete"], &info["releases"]), (&true.into(), &releases.into()));
        let summary = blkreplay_fixtures::bytes(&format!("qemu/logs/{name}.rr.summary"));
        let summary = String::from_utf8(summary).unwrap();
        let expected: BTreeMap<&str, u64> = summary
            .lines()
            .skip(1)
            .map(|line| line.trim().split_once(' ').unwrap())
            .map(|(count, kind)| (kind, count.parse().unwrap()))
            .collect();
        let kinds = info["kinds"].as_object().unwrap();
        let found = kinds.iter().map(|(kind, count)| (kind.as_str(), count.as_u64().unwrap()));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    }
}

#[test]
fn print_gives_every_event_its_place_and_what_it_carries() {
    let sandbox = with("q111-rich");
    let told = run(&sandbox, "print q.rr --folded").succeeds();
    for line in [
        "block               #0",
        "input               key a (linux 30) down",
        "input               key a (linux 30) up",
        "input               relative axis x value 3",
        "input               button left down",
        "input_sync",
        "char_read           device 0 \"hello bl\"",
        "52:55:0a:00:02:02 to 52:54:00:12:34:56 icmp 10.0.2.2 to 10.0.2.15 98 bytes 5254",
        "random              ret 0 8 bytes b71624eb94b72011",
        "shutdown            guest_shutdown",
        "end",
    ] {
        assert!(told.stdout.contains(line), "{line:?} is missing");
    }
    let heading = "     #    folded     event         at       icount kind\n";
    assert!(told.stdout.starts_with(heading), "{told}");
    let told = run(&with("q100-boot_a"), "print q.rr -n 3").succeeds();
    let expected = "    event         at       icount kind
        0         12            0 clock               virtual_rt 0
        1         21            0 checkpoint          init
        2         22            0 clock               host 1795423230527941000
";
    assert_eq!(told.stdout, expected);
}

#[test]
fn print_gives_programs_every_event_that_is_said_to_be_there() {
    for name in ["q52-boot_a", "q72-boot_b", "q111-boot_a", "q100-fix-a1"] {
        let sandbox = with(name);
        let told = run(&sandbox, "print q.rr --json").succeeds();
        let said = String::from_utf8(log(&format!("qemu/logs/{name}.rr.jsonl.zst"))).unwrap();
        let events = json(&told);
        assert_eq!(events.len(), said.lines().count(), "{name}");
        for (event, said) in events.iter().zip(said.lines()) {
            let said: Value = serde_json::from_str(said).unwrap();
            assert_eq!(*event, in_our_fields(&said), "{name}");
        }
    }
}

/// What the other decoder says of an event, as we say it.
fn in_our_fields(said: &Value) -> Value {
    let mut ours = serde_json::Map::new();
    let mut put = |key: &str, value: Value| ours.insert(key.to_owned(), value);
    let name = said["ev"].as_str().unwrap().to_lowercase();
    let number = said.get("checkpoint").map(|number| number.as_u64().unwrap());
    // The checkpoints that old logs of the fixtures wrote events at.
    let checkpoint = number.map(|number| match number {
        1 => "clock_warp_account",
        5 => "clock_host",
        other => panic!("{other}"),
    });
    let kind = if let Some(checkpoint) = name.strip_prefix("cp_") {
        put("checkpoint", checkpoint.into());
        "checkpoint"
    } else if let Some(clock) = name.strip_prefix("clock_") {
        put("clock", clock.into());
        "clock"
    } else if let Some(cause) = name.strip_prefix("shutdown_") {
        put("cause", cause.into());
        "shutdown"
    } else {
        name.strip_prefix("async_").unwrap_or(&name)
    };
    put("schema", "blkreplay.event/1".into());
    put("seq", (said["n"].as_u64().unwrap() - 1).into());
    put("kind", kind.into());
    let same = ["at", "icount", "id", "value", "offset"].map(|key| (key, key));
    for (theirs, own) in same.into_iter().chain([("diff", "count"), ("res", "ret")]) {
        if let Some(value) = said.get(theirs) {
            put(own, value.clone());
        }
    }
    if let Some(checkpoint) = checkpoint {
        put("checkpoint", checkpoint.into());
    }
    Value::Object(ours)
}

#[test]
fn a_part_of_a_log_is_printed_from_a_place_on() {
    let sandbox = with("q100-boot_a");
    let seqs = |words: &str| -> Vec<u64> {
        let told = run(&sandbox, &format!("print q.rr --json {words}")).succeeds();
        json(&told).iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs("--at event:100 -n 3"), [100, 101, 102]);
    assert_eq!(seqs("--at #0 -n 1"), [1434]);
    assert_eq!(seqs("--at #72 -n 1"), [3735]);
    assert_eq!(seqs("--at end"), [3757]);
    assert_eq!(seqs("--tail 2"), [3756, 3757]);
    assert_eq!(seqs("--tail 0"), [0; 0]);
    assert_eq!(seqs("-n 0"), [0; 0]);
    assert_eq!(seqs("").len(), 3758);
    let folded = seqs("--folded");
    assert_eq!(folded.len(), 106);
    assert_eq!(seqs("--folded --tail 3"), folded[103..]);
    assert_eq!(seqs("--folded -n 2 --at #0"), [1434, 1446]);
    run(&sandbox, "print q.rr --at event:3758").ends_with(2).says(&["has nothing at event:3758"]);
    run(&sandbox, "print q.rr --at #73").ends_with(2).says(&["has nothing at #73"]);
    for (position, what) in [("1.5s", "times"), ("flush:1", "flushes"), ("mark:a", "marks")] {
        run(&sandbox, &format!("print q.rr --at {position}"))
            .ends_with(2)
            .says(&[&format!("is a QEMU log, and has no {what}"), "event:123"]);
    }
}

#[test]
fn a_log_is_read_from_standard_input() {
    let sandbox = with("q100-boot_a");
    let from_file = run(&sandbox, "print q.rr").succeeds();
    let piped = sandbox
        .script("piped.sh", &format!("cat q.rr | {} print -", env!("CARGO_BIN_EXE_blkreplay")));
    let mut words = piped.split(' ');
    let piped = sandbox.tool(words.next().unwrap()).args(words).finish().succeeds();
    assert_eq!(piped.stdout, from_file.stdout);
}

#[test]
fn a_log_that_stops_early_is_told_as_far_as_it_goes_and_where_and_why() {
    let recover =
        "hint: blkreplay recover q.rr -o NEW  writes what is whole as a log that QEMU replays\n";
    let layouts =
        "hint: blkreplay info q.rr  tells which layouts fit; --qemu-layout LABEL takes another\n";
    let sandbox = Sandbox::new();
    let killed = log("qemu/logs/q100-killed.rr.zst");
    let half = log("qemu/logs/q100-trunc-half.rr.zst");
    let unknown = log("qemu/logs/q100-flip-eventid.rr.zst");
    for (log, events, warning, hint) in [
        (
            killed,
            318_608,
            "q.rr: byte 1019916, event 318608, 465114086 instructions in: the log ends without an end event: \
             QEMU was killed while it recorded",
            recover,
        ),
        (
            half,
            2300,
            "q.rr: byte 7640, event 2300, 5873706 instructions in: the log ends inside an event, of which 3 bytes are there",
            recover,
        ),
        (
            hurt("q100-trunc-boundary"),
            2301,
            "q.rr: byte 7645, event 2301, 5873805 instructions in: the log ends without an end event",
            recover,
        ),
        (
            unknown,
            1269,
            "q.rr: byte 4177, event 1269, 5821405 instructions in: no event has the number 64",
            layouts,
        ),
    ] {
        sandbox.write("q.rr", &log);
        let told = run(&sandbox, "print q.rr --json").ends_with(3).says(&[warning, hint]);
        assert_eq!(told.stdout.lines().count(), events, "{warning}");
        let hint = hint.replace(
            layouts,
            "hint: blkreplay print q.rr --tail 20 --qemu-layout 0c/v8.0  shows the events before it\n",
        );
        run(&sandbox, "info q.rr").ends_with(3).says(&[warning, &hint]);
        let told = run(&sandbox, "info q.rr --json").ends_with(3);
        let [info] = &json(&told)[..] else { panic!("{told}") };
        assert_eq!((&info["complete"], &info["events"]), (&false.into(), &events.into()));
        assert_eq!(info["loss"]["event"], events, "{info}");
    }
}

#[test]
fn what_follows_the_end_is_told_and_is_no_loss() {
    let sandbox = Sandbox::new();
    sandbox.write("q.rr", &hurt("q100-trailing"));
    for command in ["info", "print"] {
        run(&sandbox, &format!("{command} q.rr")).succeeds().says(&[
            "q.rr: byte 15286, event 3758, 5999516 instructions in: 10 bytes follow the end event",
        ]);
    }
    let told = run(&sandbox, "info q.rr").succeeds();
    assert!(told.stdout.starts_with("q.rr  QEMU log  complete  "), "{told}");
    let told = run(&sandbox, "info q.rr --json").succeeds();
    let [info] = &json(&told)[..] else { panic!("{told}") };
    assert_eq!((&info["complete"], &info["trailing_bytes"]), (&true.into(), &10.into()));
    assert!(info.get("loss").is_none(), "{info}");
}

#[test]
fn a_layout_can_be_asked_for() {
    let sandbox = with("q100-boot_a");
    let told = run(&sandbox, "info q.rr --qemu-layout 0d/v11").succeeds();
    assert!(told.stdout.contains("layout      0d/v11, asked for\n"), "{told}");
    let right = run(&sandbox, "print q.rr").succeeds();
    let same = run(&sandbox, "print q.rr --qemu-layout 0c/v8.0").succeeds();
    assert_eq!(same.stdout, right.stdout);
    // The first number of this log is that of another event there.
    let wrong = run(&sandbox, "print q.rr --qemu-layout 07/v2.12").succeeds();
    assert_eq!(wrong.stdout.lines().count(), 2, "{wrong}");
    wrong.says(&["15273 bytes follow the end event"]);
    run(&sandbox, "print q.rr --qemu-layout 0c")
        .ends_with(2)
        .says(&["no layout is called that; there are 02/v2.5, ", ", 0e/v11.1"]);
}

#[test]
fn commands_that_need_a_trace_say_what_a_log_does_not_have() {
    let sandbox = with("q100-killed");
    sandbox.blank("disk.img", 1 << 20);
    let name = "q.rr is a log of QEMU's record/replay, not a trace";
    for command in ["replay q.rr disk.img", "compact q.rr -o new.blkr"] {
        run(&sandbox, command)
            .ends_with(2)
            .says(&[name, "hint: blkreplay print q.rr  prints its events"]);
    }
    run(&sandbox, "info q.rr --parts").ends_with(2).says(&["is a QEMU log, and has no parts"]);
    assert!(!sandbox.path("new.blkr").exists());
}

#[test]
fn what_is_nothing_is_neither_a_trace_nor_a_log() {
    let sandbox = Sandbox::new();
    sandbox.write("short", &[0, 0xe0, 0x20, 0x0c]);
    run(&sandbox, "print short").ends_with(2).says(&["short"]);
    run(&sandbox, "print short --qemu-layout 0c/v8.0")
        .ends_with(2)
        .says(&["it has 4 bytes, and the header of a QEMU log has 12"]);
    sandbox.blank("disk.img", 1 << 20);
    run(&sandbox, "print disk.img")
        .ends_with(2)
        .says(&["it begins with zeroes, as a disk image may"]);
}

#[test]
fn two_runs_are_compared_as_text() {
    let canonical = |name: &str| {
        let told = run(&with(name), "print q.rr --format canonical").succeeds();
        assert!(
            told.stdout.starts_with("# blkreplay canonical events 1\ncheckpoint init\n"),
            "{told}"
        );
        told.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, same, other) =
        (canonical("q100-fix-a1"), canonical("q100-fix-a2"), canonical("q100-fix-b1"));
    assert_eq!((one.len(), &one), (107, &same));
    let parts = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!(parts, Some((&"char_write ret 1 offset 1".to_owned(), &"block #73".to_owned())));
}
