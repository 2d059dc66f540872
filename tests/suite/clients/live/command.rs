//! What becomes of COMMAND: its status, the signals, and what does not want to end.

use rustix::process::{Signal, kill_process_group};

use crate::clients::live::replay;
use crate::support::{Running, Sandbox, wait_for};
use crate::trace::Trace;

/// The client of every script here: a write and a read, and a flush when it goes.
const CLIENT: &str =
    "qemu-io -t writeback -f raw -c 'write -q -P 1 0 64k' -c 'read -q 0 64k' \"$BLKREPLAY_URI\"";

/// Records [`CLIENT`] with `more` behind it, which must end with `status`.
#[track_caller]
fn recorded(sandbox: &Sandbox, more: &str, status: i32) -> Trace {
    sandbox.blank("disk.img", 1 << 20);
    let client = sandbox.script("recorded.sh", &format!("{CLIENT}\n{more}"));
    let arguments = format!("record disk.img -o t.blkr -- {client}");
    sandbox.blkreplay(&arguments).finish().ends_with(status);
    Trace::whole(sandbox, "t.blkr")
}

/// A replay whose client has done `lines` and sleeps.
#[track_caller]
fn sleeping(sandbox: &Sandbox, lines: &str) -> Running {
    let client = sandbox.script(
        "sleeping.sh",
        &format!("{lines}\necho >asleep.new\nmv asleep.new asleep\nexec sleep 120"),
    );
    let running =
        sandbox.blkreplay(&format!("replay t.blkr disk.img -o t2.blkr -- {client}")).start();
    wait_for("the client to sleep", || sandbox.path("asleep").exists().then_some(()));
    running
}

#[test]
fn another_status_than_the_recorded_one_is_a_difference() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox, "exit 7", 7);
    let client = sandbox.script("again.sh", &format!("{CLIENT}\nexit 7"));
    replay(&sandbox, "disk.img", &client).repeats(&trace);

    let client = sandbox.script("otherwise.sh", CLIENT);
    let replayed = replay(&sandbox, "disk.img", &client);
    let finished = replayed.finished.ends_with(1);
    let told = &replayed.json["divergence"];
    assert_eq!(told["kind"], "client status", "{finished}");
    assert_eq!((&told["recorded_status"], &told["status"]), (&7.into(), &0.into()), "{finished}");
    assert_eq!(replayed.json["replayed"], trace.rows.len(), "{finished}");
    finished.says(&["COMMAND ended with status 0, recorded 7"]);
}

#[test]
fn a_client_that_never_asks_anything_is_missed_as_soon_as_it_has_ended() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox, "", 0);
    replay(&sandbox, "disk.img", "true").diverges_at(&["missing"], trace.rows.iter().take(1));
}

#[test]
fn a_command_that_cannot_be_run_is_trouble_and_no_difference() {
    let sandbox = Sandbox::new();
    recorded(&sandbox, "", 0);
    for (wrong, why) in [("no-such-command", "there is no such command"), ("/", "ermission denied")]
    {
        sandbox
            .blkreplay(&format!("replay t.blkr disk.img -- {wrong}"))
            .finish()
            .ends_with(2)
            .says(&["cannot run", why]);
    }
}

#[test]
fn ctrl_c_interrupts_the_client_and_the_replay_and_is_no_difference() {
    let sandbox = Sandbox::new();
    recorded(&sandbox, &format!("{CLIENT}\n"), 0);
    let running = sleeping(&sandbox, CLIENT);
    kill_process_group(running.pid(), Signal::INT).unwrap();
    running.finish().ends_with(130).says(&["interrupted after 3 of 6 requests"]);
    sandbox.blkreplay("check t2.blkr").finish().succeeds();
    assert_eq!(Trace::whole(&sandbox, "t2.blkr").rows.len(), 3);
}

#[test]
fn a_replay_that_is_told_to_end_passes_it_on_and_calls_it_no_difference() {
    for signal in [Signal::TERM, Signal::HUP] {
        let sandbox = Sandbox::new();
        recorded(&sandbox, CLIENT, 0);
        let mut running = sleeping(&sandbox, CLIENT);
        running.signal(signal);
        running.finish().ends_with(130).says(&["interrupted after 3 of 6 requests"]);
        sandbox.blkreplay("check t2.blkr").finish().succeeds();
    }
}

#[test]
fn a_client_that_does_not_want_to_end_after_a_difference_is_ended() {
    let sandbox = Sandbox::new();
    let trace = recorded(&sandbox, "", 0);
    let client = sandbox.script(
        "stubborn.sh",
        "trap '' TERM
         qemu-io -t writeback -f raw -c 'write -q -P 9 0 64k' \"$BLKREPLAY_URI\" || true
         exec sleep 120",
    );
    replay(&sandbox, "disk.img", &client)
        .diverges_at(&["changed"], trace.rows.iter().take(1))
        .in_fields(&["data"]);
}
