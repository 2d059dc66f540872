//! Recordings that somebody ends. What is asked to end finishes its trace; what is killed leaves one that
//! can be read.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Running, Sandbox, wait_for};
use crate::trace::{Trace, rows};

const MIB: u64 = 1 << 20;

/// A recording without a COMMAND, on the socket `run/s`.
fn serving(sandbox: &Sandbox) -> Running {
    sandbox.blank("disk.img", 16 * MIB);
    let mut recording =
        sandbox.blkreplay("record disk.img -o t.blkr --write --listen unix:run/s").start();
    recording.wait_for_stderr("serving");
    recording
}

/// Writes `count` blocks of 4 KiB through the socket `run/s`.
fn write_blocks(sandbox: &Sandbox, count: u64) {
    let commands =
        (0..count).flat_map(|block| ["-c".to_owned(), format!("write -P 1 {}k 4k", 4 * block)]);
    let client = sandbox.tool("qemu-io").args(["-f", "raw"]).args(commands);
    client.args(["nbd+unix:///?socket=run/s"]).finish().succeeds();
}

#[test]
fn an_interrupt_or_a_request_to_terminate_finishes_the_trace() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::new();
        let mut recording = serving(&sandbox);
        write_blocks(&sandbox, 3);
        recording.signal(signal);
        recording.finish().succeeds();
        assert_eq!(Trace::whole(&sandbox, "t.blkr").count("write"), 3, "{signal:?}");
        sandbox.blkreplay("info t.blkr").finish().succeeds();
        assert!(!sandbox.path("run/s").exists(), "the socket is removed");
    }
}

#[test]
fn an_interrupt_in_the_middle_of_the_work_finishes_the_trace() {
    let sandbox = Sandbox::new();
    let mut recording = serving(&sandbox);
    let fio = "--name=job --ioengine=nbd --uri=nbd+unix:///?socket=run/s --rw=randrw --bs=4k --iodepth=32 \
               --size=16M --time_based --runtime=60 --output=fio.txt";
    let client = sandbox.tool("fio").args(fio.split_whitespace()).start();
    wait_for("the trace to grow", || {
        let length = std::fs::metadata(sandbox.path("t.blkr")).map_or(0, |file| file.len());
        (length > 4 * MIB).then_some(())
    });
    recording.signal(Signal::INT);
    recording.finish().succeeds();
    drop(client);
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.count("write") > 100);
    sandbox.blank("before.img", 16 * MIB);
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    sandbox.assert_same("before.img", "disk.img");
}

#[test]
fn a_recording_that_is_killed_leaves_all_but_its_last_moments() {
    let sandbox = Sandbox::new();
    let mut recording = serving(&sandbox);
    write_blocks(&sandbox, 5);
    // A chunk is closed when it is 250 ms old; what is older than that is in the file.
    let printed = wait_for("the trace to hold five writes", || {
        std::thread::sleep(Duration::from_millis(50));
        let printed = sandbox.blkreplay("print t.blkr --json").finish();
        let writes = rows(&printed.stdout).iter().filter(|row| row.op == "write").count();
        (writes == 5).then_some(printed)
    });
    recording.signal(Signal::KILL);
    recording.finish().ended_by(Signal::KILL);
    let after = sandbox.blkreplay("print t.blkr --json").finish().ends_with(3).says(&["t.blkr"]);
    assert!(rows(&after.stdout).len() >= rows(&printed.stdout).len());
    assert_eq!(rows(&after.stdout)[..5], rows(&printed.stdout)[..5]);
    sandbox.blkreplay("info t.blkr").finish().ends_with(3);
}

#[test]
fn a_request_to_terminate_is_passed_on_to_the_command() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client = sandbox.script(
        "client.sh",
        "trap 'touch asked; exit 9' TERM\ntouch ready\nwhile :; do sleep 0.05; done",
    );
    let mut recording =
        sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).start();
    wait_for("the COMMAND", || sandbox.path("ready").exists().then_some(()));
    recording.signal(Signal::TERM);
    recording.finish().ends_with(9);
    assert!(sandbox.path("asked").exists());
    Trace::whole(&sandbox, "t.blkr");
}

#[test]
fn an_interrupt_is_left_to_the_command() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client = sandbox
        .script("client.sh", "touch ready\nwhile [ ! -e go-on ]; do sleep 0.05; done\nexit 4");
    let mut recording =
        sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).start();
    wait_for("the COMMAND", || sandbox.path("ready").exists().then_some(()));
    recording.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    sandbox.write("go-on", b"");
    recording.finish().ends_with(4);
    Trace::whole(&sandbox, "t.blkr");
}

#[test]
fn a_command_that_will_not_end_is_killed_when_asked_twice() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let client = sandbox.script(
        "client.sh",
        "trap '' TERM\ntouch ready\ni=0\nwhile [ $i -lt 1000 ]; do sleep 0.05; i=$((i + 1)); done",
    );
    let mut recording =
        sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).start();
    wait_for("the COMMAND", || sandbox.path("ready").exists().then_some(()));
    recording.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    recording.signal(Signal::TERM);
    recording.finish().ends_with(137);
    Trace::whole(&sandbox, "t.blkr");
}
