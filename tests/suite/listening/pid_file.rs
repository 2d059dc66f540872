//! How others learn that a recording serves: the line that says where, and `--pid-file`.

use std::fs;

use rustix::process::Signal;

use super::sandbox;
use crate::support::wait_for;

const RECORD: &str = "record disk.img -o none --listen unix:d.sock --pid-file d.pid";

#[test]
fn whoever_waits_for_the_file_or_for_the_line_can_connect() {
    let sandbox = sandbox();
    let mut recording = sandbox.blkreplay(RECORD).start();
    let written = wait_for("d.pid", || fs::read_to_string(sandbox.path("d.pid")).ok());
    assert_eq!(written, format!("{}\n", recording.pid().as_raw_nonzero()));
    let uri = format!("nbd+unix:///?socket={}", sandbox.path("d.sock").display());
    sandbox.tool("nbdinfo").args(["--size", &uri]).finish().succeeds();
    recording.wait_for_stderr(&format!("serving  {uri}  1 MiB"));
    recording.signal(Signal::TERM);
    recording.finish().succeeds();
    assert!(!sandbox.path("d.pid").exists());
}

#[test]
fn it_is_there_while_a_command_runs_and_gone_afterwards() {
    let sandbox = sandbox();
    sandbox
        .blkreplay("record disk.img -o none --pid-file d.pid -- grep -q . d.pid")
        .finish()
        .succeeds();
    assert!(!sandbox.path("d.pid").exists());
}

#[test]
fn a_second_recording_does_not_take_the_file_of_one_that_goes_on() {
    let sandbox = sandbox();
    let mut first = sandbox.blkreplay(RECORD).start();
    first.wait_for_stderr("serving");
    sandbox
        .blkreplay("record new.img --create 1M -o t.blkr --pid-file d.pid -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "lives", "d.pid", "hint"]);
    for made in ["ran", "new.img", "t.blkr"] {
        assert!(!sandbox.path(made).exists(), "{made}");
    }
    first.signal(Signal::KILL);
    first.finish().ended_by(Signal::KILL);
    assert!(sandbox.path("d.pid").exists(), "a kill leaves it");
    fs::remove_file(sandbox.path("d.sock")).unwrap();
    let mut next = sandbox.blkreplay(RECORD).start();
    next.wait_for_stderr("serving");
    next.signal(Signal::TERM);
    next.finish().succeeds();
    assert!(!sandbox.path("d.pid").exists());
}

#[test]
fn a_file_that_is_something_else_stays_what_it_is() {
    let sandbox = sandbox();
    sandbox.write("notes", b"important\n");
    for (path, says) in
        [("notes", "is no PID file"), (".", "is no PID file"), ("none/pid", "No such")]
    {
        sandbox
            .blkreplay(&format!("record disk.img -o t.blkr --pid-file {path} -- touch ran"))
            .finish()
            .ends_with(2)
            .says(&["error", says]);
        assert!(!sandbox.path("ran").exists() && !sandbox.path("t.blkr").exists(), "{path}");
    }
    assert_eq!(sandbox.read("notes"), b"important\n");
}
