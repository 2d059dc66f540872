//! COMMANDs that do not do well. Their status is handed on, and the trace is whole.

use crate::support::Sandbox;
use crate::trace::Trace;

/// Records `command` and asserts what comes of it.
#[track_caller]
fn check(command: &str, status: i32, said: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr -- {command}"))
        .finish()
        .ends_with(status)
        .says(said);
    Trace::whole(&sandbox, "t.blkr");
    sandbox.blkreplay("info t.blkr").finish().succeeds();
    assert_eq!(sandbox.runtime_directory().read_dir().unwrap().count(), 0, "no socket is left");
}

#[test]
fn a_command_that_does_not_exist_is_127() {
    check("no-such-program {uri}", 127, &["error", "no-such-program"]);
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    check("/ {uri}", 126, &["error", "/"]);
}

#[test]
fn a_command_that_fails_hands_on_its_status() {
    check("false", 1, &[]);
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let client = sandbox
        .script("client.sh", "qemu-io -f raw -c 'write -P 1 0 4k' \"$BLKREPLAY_URI\"\nexit 7");
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().ends_with(7);
    assert_eq!(Trace::whole(&sandbox, "t.blkr").count("write"), 1);
}

#[test]
fn a_command_that_is_killed_is_128_and_the_signal() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    for (signal, status) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        let client = sandbox.script(
            "client.sh",
            &format!("qemu-io -f raw -c 'write -P 1 0 4k' \"$BLKREPLAY_URI\"\nkill -{signal} $$"),
        );
        sandbox
            .blkreplay(&format!("record disk.img -o t.blkr --force -- {client}"))
            .finish()
            .ends_with(status);
        assert_eq!(Trace::whole(&sandbox, "t.blkr").count("write"), 1, "{signal}");
    }
}

#[test]
fn a_place_that_is_none_is_refused_before_the_command_runs() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    sandbox
        .blkreplay("record disk.img -o t.blkr -- touch ran {uri:1}")
        .finish()
        .ends_with(2)
        .says(&["error", "{uri:1}"]);
    assert!(!sandbox.path("ran").exists());
    assert!(!sandbox.path("t.blkr").exists());
}
