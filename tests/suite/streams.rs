//! Traces that come out of a pipe, go into one, or still grow while they are read.

use std::fs::File;
use std::io::Write;

use rustix::process::Signal;

use crate::support::{Finished, Running, Sandbox, wait_for};

const MIB: u64 = 1 << 20;

/// A trace `t.blkr` of a few requests to `disk.img`.
fn recorded(sandbox: &Sandbox) {
    sandbox.solid("disk.img", 3, MIB);
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'write -q -P 1 0 64k' -c 'read -q 0 128k' -c 'write -q -P 2 8k 4k' \"$BLKREPLAY_URI\"",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
}

/// Runs lines of a shell that knows `blkreplay`.
fn shell(sandbox: &Sandbox, lines: &str) -> Finished {
    started(sandbox, lines).finish()
}

fn started(sandbox: &Sandbox, lines: &str) -> Running {
    let program = env!("CARGO_BIN_EXE_blkreplay");
    sandbox
        .tool("sh")
        .args(["-c", &format!("blkreplay() {{ '{program}' \"$@\"; }}\n{lines}")])
        .start()
}

#[test]
fn every_command_reads_a_trace_from_standard_input() {
    let sandbox = Sandbox::new();
    recorded(&sandbox);
    for command in ["print", "print --events --json", "print --format canonical", "info"] {
        let (name, options) = command.split_once(' ').unwrap_or((command, ""));
        let file = shell(&sandbox, &format!("blkreplay {name} t.blkr {options}")).succeeds();
        let pipe =
            shell(&sandbox, &format!("cat t.blkr | blkreplay {name} - {options}")).succeeds();
        let heading = usize::from(name == "info");
        let lines = |finished: &Finished| {
            finished.stdout.lines().skip(heading).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(&file), lines(&pipe), "{command}");
    }
    let replay = shell(&sandbox, "cat t.blkr | blkreplay replay - disk.img").succeeds();
    replay.says(&["reads verified"]);
    shell(&sandbox, "blkreplay print - < t.blkr").succeeds();
}

#[test]
fn what_is_wrong_with_standard_input_is_told_as_of_a_file() {
    let sandbox = Sandbox::new();
    recorded(&sandbox);
    let length = sandbox.read("t.blkr").len();
    let cut = shell(&sandbox, &format!("head -c {} t.blkr | blkreplay print -", length - 10));
    cut.ends_with(3).says(&["standard input: the trace is cut"]);
    shell(&sandbox, "blkreplay print - < /dev/null")
        .ends_with(2)
        .says(&["standard input", "empty"]);
    shell(&sandbox, "echo hi | blkreplay info -").ends_with(2).says(&["standard input"]);
    let hurt =
        shell(&sandbox, &format!("head -c {} t.blkr | blkreplay check --findings -", length - 300));
    let hurt = hurt.ends_with(1);
    assert!(hurt.stdout.contains("standard input: finding f10"), "{hurt}");
    assert!(hurt.stdout.contains("look: blkreplay print TRACE --events --tail 10\n"), "{hurt}");
    let full = shell(&sandbox, "export TMPDIR=/nonexistent; blkreplay print - < t.blkr");
    full.ends_with(2).says(&["temporary file", "TMPDIR"]);
}

#[test]
fn a_pipe_is_read_as_it_fills() {
    let sandbox = Sandbox::new();
    recorded(&sandbox);
    let bytes = sandbox.read("t.blkr");
    sandbox.tool("mkfifo").args(["pipe"]).finish().succeeds();
    let reading = started(&sandbox, "blkreplay print -F - --events < pipe > events.txt");
    let mut pipe = File::options().write(true).open(sandbox.path("pipe")).unwrap();
    pipe.write_all(&bytes[..bytes.len() - 1]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    pipe.write_all(&bytes[bytes.len() - 1..]).unwrap();
    // It ends with the recording, not with the pipe, which stays open.
    reading.finish().succeeds();
    drop(pipe);
    let all = sandbox.blkreplay("print t.blkr --events").finish().succeeds().stdout;
    assert_eq!(String::from_utf8(sandbox.read("events.txt")).unwrap(), all);
}

/// A recording on the socket `run/s`, without a COMMAND.
fn recording(sandbox: &Sandbox) -> Running {
    sandbox.blank("disk.img", MIB);
    let mut recording = sandbox.blkreplay("record disk.img -o t.blkr --listen unix:run/s").start();
    recording.wait_for_stderr("serving");
    recording
}

fn write_block(sandbox: &Sandbox, offset: &str) {
    let client =
        sandbox.tool("qemu-io").args(["-f", "raw", "-c", &format!("write -q {offset} 4k")]);
    client.args(["nbd+unix:///?socket=run/s"]).finish().succeeds();
}

#[test]
fn a_growing_trace_is_followed_to_its_end() {
    let sandbox = Sandbox::new();
    let mut recording = recording(&sandbox);
    let following = started(&sandbox, "blkreplay print t.blkr -F > rows.txt");
    let follower = |text: &str| {
        wait_for(text, || {
            let rows = std::fs::read_to_string(sandbox.path("rows.txt")).unwrap_or_default();
            rows.contains(text).then_some(())
        });
    };
    write_block(&sandbox, "0");
    follower(" write                   0 ");
    write_block(&sandbox, "512k");
    follower(" 524288 ");
    recording.signal(Signal::TERM);
    recording.finish().succeeds();
    following.finish().succeeds();
    let all = sandbox.blkreplay("print t.blkr").finish().succeeds().stdout;
    assert_eq!(String::from_utf8(sandbox.read("rows.txt")).unwrap(), all);
}

#[test]
fn who_follows_can_be_interrupted_and_is_told_when_the_file_is_another() {
    let sandbox = Sandbox::new();
    recorded(&sandbox);
    let bytes = sandbox.read("t.blkr");
    let follow = |sandbox: &Sandbox| {
        sandbox.write("part.blkr", &bytes[..bytes.len() - 1]);
        let following = sandbox.blkreplay("print part.blkr -F").start();
        std::thread::sleep(std::time::Duration::from_millis(300));
        following
    };
    let mut interrupted = follow(&sandbox);
    interrupted.signal(Signal::INT);
    interrupted.finish().ended_by(Signal::INT);
    let cut = follow(&sandbox);
    File::options().write(true).open(sandbox.path("part.blkr")).unwrap().set_len(100).unwrap();
    cut.finish().ends_with(2).says(&["part.blkr", "was cut to 100 bytes"]);
    let replaced = follow(&sandbox);
    sandbox.write("other", &bytes);
    sandbox.tool("mv").args(["other", "part.blkr"]).finish().succeeds();
    replaced.finish().ends_with(2).says(&["was replaced"]);
    sandbox.write("part.blkr", b"#!/bin/sh");
    sandbox.blkreplay("print part.blkr -F").finish().ends_with(2).says(&["not a blkreplay trace"]);
    sandbox.blkreplay("print none.blkr -F").finish().ends_with(2).says(&["cannot open"]);
}

#[test]
fn a_trace_goes_through_a_pipe_into_a_reader() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 3, MIB);
    let client = sandbox.script(
        "client.sh",
        "echo from COMMAND\nqemu-io -f raw -c 'write -q -P 1 0 64k' \"$BLKREPLAY_URI\"",
    );
    let piped = shell(
        &sandbox,
        &format!("blkreplay record disk.img -o - -- {client} | tee t.blkr | blkreplay print -F -"),
    );
    let piped = piped.succeeds().says(&["from COMMAND", "recorded standard output"]);
    assert!(piped.stdout.contains(" write "), "{piped}");
    let file = sandbox.blkreplay("print t.blkr").finish().succeeds();
    assert_eq!(piped.stdout, file.stdout);
    sandbox.blkreplay("replay t.blkr disk.img").finish().succeeds();
}

#[test]
fn a_terminal_and_a_reader_that_goes_away_are_told() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let terminal = sandbox.tool("script").args([
        "-qec",
        &format!("{program} record disk.img -o - -- true"),
        "typescript",
    ]);
    let refused = terminal.finish().ends_with(2);
    assert!(refused.stdout.contains("to a terminal"), "{refused}");
    let client = sandbox.script(
        "client.sh",
        "for i in 1 2 3 4; do qemu-io -f raw -c 'write -q -P 1 0 64k' \"$BLKREPLAY_URI\"; sleep 0.2; done",
    );
    let record = format!("blkreplay record disk.img -o - -- {client}");
    let gone = shell(&sandbox, &format!("{{ {record}; echo $? > status; }} | head -c 100 > head"));
    gone.succeeds().says(&["stopped recording to standard output", "is not whole"]);
    assert_eq!(sandbox.read("status"), b"2\n");
}

#[test]
fn a_recording_stops_when_its_time_is_over() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let alone = sandbox.blkreplay("record disk.img -o a.blkr --duration 300ms").finish();
    alone.succeeds().says(&["stopped", "--duration 300ms", "recorded a.blkr"]);
    sandbox.blkreplay("print a.blkr").finish().succeeds();

    let client = sandbox.script(
        "client.sh",
        "io() { qemu-io -f raw -c \"$1\" \"$BLKREPLAY_URI\"; }\n\
         io 'write -q -P 1 0 4k'\nsleep 1.5\nio 'write -q -P 2 4k 4k'\nio 'read -q -P 2 4k 4k'\nexit 7",
    );
    let record = format!("record disk.img -o t.blkr --duration 1s -- {client}");
    let served_on = sandbox.blkreplay(&record).finish().ends_with(7);
    served_on.says(&["stopped", "--duration 1.00s", "COMMAND is served on"]);
    let trace = crate::trace::Trace::whole(&sandbox, "t.blkr");
    assert_eq!((trace.count("write"), trace.rows[0].off), (1, 0));
    sandbox.blkreplay("replay t.blkr disk.img").finish().succeeds();
}

#[test]
fn a_recording_stops_when_its_trace_is_large_enough() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 16 * MIB);
    let fio = "--name=job --ioengine=nbd --uri={uri} --rw=randrw --bs=4k --iodepth=32 --size=16M \
               --refill_buffers=1 --output=fio.txt";
    let record = format!("record disk.img -o t.blkr --write --max-size 1M -- fio {fio}");
    let stopped = sandbox.blkreplay(&record).finish().succeeds();
    stopped.says(&["stopped", "--max-size 1 MiB", "COMMAND is served on"]);
    let bytes = sandbox.read("t.blkr").len() as u64;
    assert!((MIB / 2..=MIB).contains(&bytes), "{bytes}");
    let trace = crate::trace::Trace::whole(&sandbox, "t.blkr");
    assert!(trace.count("write") > 10);
    sandbox.blank("before.img", 16 * MIB);
    sandbox.blkreplay("replay t.blkr before.img").finish().succeeds();
    // Reads under way when the limit comes near are counted, too, and data that pack well are not as if they did not.
    sandbox.solid("solid.img", 62, 16 << 20);
    let read = "fio --name=job --ioengine=nbd --uri={uri} --rw=read --bs=128k --iodepth=32 --size=16M --output=fio.txt";
    let all = format!("record solid.img -o all.blkr --payload all --max-size 1M -- {read}");
    sandbox.blkreplay(&all).finish().succeeds().says(&["--max-size 1 MiB"]);
    let bytes = sandbox.read("all.blkr").len() as u64;
    assert!(bytes <= MIB, "{bytes}");
    sandbox.blkreplay("check --deep all.blkr").finish().succeeds();
    for (options, why) in [
        ("-o s.blkr --max-size 4k", "leaves no room"),
        ("-o none --duration 1s", "records nothing"),
        ("-o s.blkr --duration 5", "not a time"),
    ] {
        sandbox.blkreplay(&format!("record disk.img {options}")).finish().ends_with(2).says(&[why]);
    }
}
