//! Marks: named points that a recorded COMMAND puts into the trace, the socket they come through, and the
//! positions that name them.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::support::Sandbox;

const MIB: u64 = 1 << 20;

/// A script that can say `mark NAME`, and `io COMMAND` to write to the disk.
fn marking(sandbox: &Sandbox, lines: &str) -> String {
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let head = format!(
        "mark() {{ '{program}' mark \"$@\"; }}\n\
         io() {{ qemu-io -f raw -c \"$1\" \"$BLKREPLAY_URI\"; }}\n"
    );
    sandbox.script("client.sh", &format!("{head}{lines}"))
}

/// The lines of `print` without their headings, in one column.
fn printed(sandbox: &Sandbox, options: &str) -> Vec<String> {
    let printed = sandbox.blkreplay(&format!("print t.blkr {options}")).finish().succeeds();
    printed.stdout.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_mark_lies_between_the_requests_around_it() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client = marking(
        &sandbox,
        "io 'write -q -P 1 0 4k'\nmark 'first half'\nio 'write -q -P 2 4k 4k'\nmark done",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    let events = printed(&sandbox, "--events");
    let place = |text: &str| {
        let found = events.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("{text}: {events:?}"))
    };
    assert!(place("write 0+4096") < place("mark       first half"), "{events:?}");
    assert!(place("mark       first half") < place("write 4096+4096"), "{events:?}");
    let json = sandbox.blkreplay("print t.blkr --events --json").finish().succeeds().stdout;
    assert!(
        json.contains(r#""kind":"mark","#) && json.contains(r#""name":"first half""#),
        "{json}"
    );
    let info = sandbox.blkreplay("info t.blkr --json").finish().succeeds().stdout;
    assert!(info.contains(r#""marks":2"#), "{info}");
    let canonical = sandbox.blkreplay("print t.blkr --format canonical").finish().succeeds();
    assert!(!canonical.stdout.contains("half"), "marks are no requests: {canonical}");
    sandbox.blkreplay("replay t.blkr disk.img").finish().succeeds();
}

#[test]
fn a_mark_that_was_made_survives_a_kill() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client = marking(&sandbox, "io 'write -q -P 1 0 4k'\nmark survives\nkill -KILL $PPID");
    let recording = sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).start();
    recording.finish().ended_by(Signal::KILL);
    let events = sandbox.blkreplay("print t.blkr --events").finish().ends_with(3);
    assert!(
        events.stdout.contains("survives") && events.stdout.contains("write 0+4096"),
        "{events}"
    );
}

#[test]
fn a_mark_needs_a_recording_and_a_name_on_one_line() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let outside = sandbox.blkreplay("mark here").finish().ends_with(2);
    outside.says(&["BLKREPLAY_CONTROL", "hint", "blkreplay record"]);
    for name in [String::new(), "a\nb".to_owned(), "x".repeat(256)] {
        sandbox.blkreplay("mark").args([name]).finish().ends_with(2).says(&["name of a mark"]);
    }
    let client = marking(&sandbox, "mark nowhere");
    let served = sandbox.blkreplay(&format!("record disk.img -o none -- {client}")).finish();
    served.ends_with(2).says(&["cannot make the mark `nowhere`", "nothing is being recorded"]);
    let client = marking(&sandbox, "BLKREPLAY_CONTROL=/nonexistent mark nowhere");
    let lost = sandbox.blkreplay(&format!("record disk.img -o u.blkr -- {client}")).finish();
    lost.ends_with(2).says(&["no recording listens"]);
}

/// A recording without a COMMAND, and the path of its control socket.
fn serving(sandbox: &Sandbox) -> (crate::support::Running, std::path::PathBuf) {
    sandbox.blank("disk.img", MIB);
    let mut recording =
        sandbox.blkreplay("record disk.img -o t.blkr --listen tcp:127.0.0.1:0").start();
    recording.wait_for_stderr("mark NAME");
    let said = recording.stderr();
    let (_, rest) = said.split_once("BLKREPLAY_CONTROL=").unwrap();
    let path = rest.split(' ').next().unwrap().into();
    (recording, path)
}

fn ask(path: &std::path::Path, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    // It may hang up before it has read all of a line that is too long.
    let _ = stream.write_all(line);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_control_socket_is_private_and_bounds_who_comes() {
    let sandbox = Sandbox::new();
    let (mut recording, path) = serving(&sandbox);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let silent: Vec<_> = (0..10).map(|_| UnixStream::connect(&path).unwrap()).collect();
    assert!(ask(&path, b"GET / HTTP/1.1\r\n").starts_with("error not a request"));
    assert!(ask(&path, b"blkreplay-control 9 mark a\n").starts_with("error this version"));
    assert!(ask(&path, b"blkreplay-control 1 mark \xff\n").starts_with("error"));
    assert!(ask(&path, b"blkreplay-control 1 mark a\x1b[2J\n").contains("control character"));
    ask(&path, &vec![b'x'; 1 << 20]);
    drop(UnixStream::connect(&path).unwrap());
    assert_eq!(ask(&path, b"blkreplay-control 1 mark here\n"), "ok\n");
    let more: Vec<_> = (0..200).map(|_| UnixStream::connect(&path)).collect();
    drop((silent, more));
    crate::support::wait_for("the control socket to serve again", || {
        (ask(&path, b"blkreplay-control 1 mark again\n") == "ok\n").then_some(())
    });
    recording.signal(Signal::TERM);
    recording.finish().succeeds();
    assert!(!path.exists() && !path.parent().unwrap().exists());
    let events = printed(&sandbox, "--events");
    assert_eq!(events.iter().filter(|line| line.contains(" mark ")).count(), 2, "{events:?}");
}

#[test]
fn a_trace_is_printed_from_any_position_on() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client = marking(
        &sandbox,
        "io 'write -q -P 1 0 4k'\nmark one\nio 'write -q -P 2 4k 4k'\nmark two\nio 'write -q -P 3 8k 4k'",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    let writes = |options: &str| {
        let lines = printed(&sandbox, options);
        let writes = lines.iter().filter(|line| line.contains(" write "));
        writes.map(|line| line.split_whitespace().nth(3).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(writes(""), ["0", "4096", "8192"]);
    assert_eq!(writes("--at mark:one"), ["4096", "8192"]);
    assert_eq!(writes("--at mark:two"), ["8192"]);
    assert_eq!(writes("--at #0"), ["0", "4096", "8192"]);
    assert_eq!(writes("--at event:0 -n 1"), ["0"]);
    assert_eq!(writes("--at flush:1"), ["4096", "8192"]);
    assert_eq!(writes("--at flush:disk/2"), ["8192"]);
    assert_eq!(writes("--at 0s"), ["0", "4096", "8192"]);
    assert!(writes("--at end").is_empty());
    for position in ["#0", "mark:two", "end"] {
        assert!(writes(&format!("--at {position} -n 0")).is_empty());
        assert!(printed(&sandbox, &format!("--events --at {position} -n 0")).is_empty());
    }
    assert_eq!(printed(&sandbox, "--tail 1").len(), 1);
    assert!(printed(&sandbox, "--events --tail 1")[0].contains(" end "));
    assert!(printed(&sandbox, "--events --at end")[0].contains(" end "));
    assert!(printed(&sandbox, "--events --at mark:two")[0].contains("mark       two"));
    for (options, why) in [
        ("--at mark:three", "nothing at mark:three"),
        ("--at mark:three", "hint: blkreplay print t.blkr --events"),
        ("--at #99", "nothing at #99"),
        ("--at #99 -n 0", "nothing at #99"),
        ("--at 1h", "nothing at 3600s"),
        ("--at flush:99", "nothing at flush:99"),
        ("--at flush:other/1", "there is no device `other`; the trace has disk"),
        ("--at begin", "is no position"),
        ("--at flush:0", "not a number"),
        ("--at #1 --format canonical", "--format canonical"),
        ("--tail 1 -n 1", "cannot be used with"),
    ] {
        sandbox.blkreplay(&format!("print t.blkr {options}")).finish().ends_with(2).says(&[why]);
    }
}

#[test]
fn a_live_replay_compares_marks_and_calls_none_of_them_a_divergence() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client =
        marking(&sandbox, "io 'write -q -P 1 0 4k'\nmark first\nio 'write -q -P 2 4k 4k'\nmark $1");
    let record = format!("record disk.img -o t.blkr -- {client} last");
    sandbox.blkreplay(&record).finish().succeeds();
    let same = format!("replay t.blkr disk.img -o t2.blkr -- {client} last");
    let same = sandbox.blkreplay(&same).finish().succeeds();
    assert!(same.stderr.contains("0 differences"), "{same}");
    assert!(!same.stderr.contains("mark"), "{same}");
    let marks = |trace: &str| {
        let events = sandbox.blkreplay(&format!("print {trace} --events")).finish().succeeds();
        let words = |line: &str| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ");
        let kept = |line: &String| ["issue", "mark"].iter().any(|kind| line.starts_with(kind));
        events.stdout.lines().map(words).filter(kept).collect::<Vec<_>>()
    };
    let short = |lines: Vec<String>| -> Vec<String> {
        lines.iter().map(|line| line.split(" xxh3").next().unwrap_or(line).to_owned()).collect()
    };
    assert_eq!(short(marks("t2.blkr")), short(marks("t.blkr")), "marks lie where they lay");
    let other =
        sandbox.blkreplay(&format!("replay t.blkr disk.img -- {client} other")).finish().succeeds();
    other.says(&[
        "1 mark of the recording did not come",
        "1 mark came that the recording does not have",
        "0 differences",
    ]);
}
