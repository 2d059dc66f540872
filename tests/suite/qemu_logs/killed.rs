//! A real QEMU that is killed while it records, or whose log is cut: the log is read, recovered, and replayed by QEMU.
//!
//! The guest is that of `clients::qemu_vm`, on a disk that is slow enough to be in the middle of it.

use std::fs;

use blkreplay_core::event::EventKind;
use blkreplay_core::qemu::{Layout, LogReader};
use rustix::process::Signal;
use serde_json::Value;

use crate::clients::qemu_vm::{self, guest_disk};
use crate::support::{Finished, Sandbox, wait_for};

/// Serves the disk slowly, and runs its arguments.
const SLOW_DISK: &str = r#"
nbdkit -f -U run/slow --filter=delay file disk.img rdelay=60ms wdelay=60ms &
server=$!
for _ in $(seq 200); do [ -e run/slow ] && break; sleep 0.05; done
# The shell that waits for it outlives it.
status=0
"$@" || status=$?
kill "$server"
wait
exit "$status"
"#;

/// The words of the machine, with its log in `log`.
fn machine(icount: &str, rr: &str, log: &str, disk: &str, serial: &str) -> String {
    format!(
        "{} -machine pc,accel=tcg -m 16 -nodefaults -no-user-config -display none -vga none -net none -no-reboot \
         -icount {icount},rr={rr},rrfile={log} -drive file={disk},format=raw,if=none,id=img-direct \
         -drive driver=blkreplay,if=none,image=img-direct,id=img-blkreplay \
         -device ide-hd,drive=img-blkreplay -serial file:{serial}",
        qemu_vm::emulator().display()
    )
}

/// Runs a machine that is killed when it has printed `printed` bytes, or has logged more than `logged`.
#[track_caller]
fn kill(sandbox: &Sandbox, icount: &str, printed: u64, logged: u64) {
    let tool = sandbox.tool("nbdkit");
    drop(tool);
    sandbox.write("disk.img", &guest_disk());
    sandbox.write("before.img", &guest_disk());
    let disk = "nbd+unix:///?socket=run/slow";
    // It tells its number, so that it can be killed alone.
    let machine = format!(
        "echo $$ >qemu.pid.new; mv qemu.pid.new qemu.pid; exec {}",
        machine(icount, "record", "vm.rr", disk, "recorded.serial")
    );
    sandbox.script("machine.sh", &machine);
    let words = sandbox.script("slow.sh", SLOW_DISK);
    let mut words = words.split(' ').chain(["sh", "machine.sh"]);
    let running = sandbox.tool(words.next().unwrap()).args(words).start();
    let length = |name: &str| fs::metadata(sandbox.path(name)).map_or(0, |file| file.len());
    wait_for("the machine to be in the middle", || {
        (length("recorded.serial") >= printed && length("vm.rr") > logged).then_some(())
    });
    let number = String::from_utf8(sandbox.read("qemu.pid")).unwrap();
    let number = rustix::process::Pid::from_raw(number.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(number, Signal::KILL).unwrap();
    running.finish().ends_with(137);
}

fn replay(sandbox: &Sandbox, log: &str) -> Finished {
    let words = machine("shift=auto", "replay", log, "before.img", "replayed.serial");
    let mut words = words.split_whitespace();
    sandbox.tool(words.next().unwrap()).args(words).finish()
}

#[test]
fn qemu_replays_the_recovered_log_of_a_recorder_that_was_killed() {
    let sandbox = Sandbox::new();
    kill(&sandbox, "shift=auto", 8, 0);
    // What it is, and what is wrong with it.
    sandbox.blkreplay("info vm.rr").finish().ends_with(3).says(&["hint: blkreplay recover vm.rr"]);
    let checked = sandbox.blkreplay("check vm.rr --json").finish().ends_with(1);
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    let codes = checked["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str());
    let codes: Vec<_> = codes.flatten().collect();
    assert!(codes == ["no-version", "no-end"] || codes == ["no-version", "cut"], "{checked}");
    assert!(checked["completions"].as_u64() > Some(5), "{checked}");

    replay(&sandbox, "vm.rr").ends_with(1).says(&["invalid input log file version"]);

    let told = sandbox.blkreplay("recover vm.rr -o whole.rr --json").finish().ends_with(3);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["layout"], &told["end_added"]), (&"0c/v8.0".into(), &true.into()));
    let checked = sandbox.blkreplay("check whole.rr").finish().succeeds();
    assert!(checked.stdout.contains("ended-by-signal"), "{checked}");

    replay(&sandbox, "whole.rr").succeeds();
    let [recorded, replayed] = ["recorded.serial", "replayed.serial"]
        .map(|name| String::from_utf8(sandbox.read(name)).unwrap());
    assert!(!replayed.is_empty() && recorded.starts_with(&replayed), "{recorded:?}, {replayed:?}");
}

#[test]
fn a_recorder_that_hangs_because_nothing_is_released_is_found_out() {
    let sandbox = Sandbox::new();
    kill(&sandbox, "shift=5,sleep=off", 0, 0);
    assert_eq!(sandbox.read("recorded.serial"), b"", "the guest never gets its first sector");
    let checked = sandbox.blkreplay("check vm.rr").finish().ends_with(1);
    assert!(checked.stdout.contains("never-released"), "{checked}");
    assert!(checked.stdout.contains("hint: -icount sleep=off hangs while it records"), "{checked}");
}

#[test]
fn qemu_replays_what_is_left_of_a_log_wherever_it_was_cut() {
    let sandbox = Sandbox::new();
    sandbox.write("disk.img", &guest_disk());
    sandbox.write("before.img", &guest_disk());
    let words = machine("shift=auto", "record", "vm.rr", "disk.img", "recorded.serial");
    let mut words = words.split_whitespace();
    sandbox.tool(words.next().unwrap()).args(words).finish().succeeds();
    let recorded = String::from_utf8(sandbox.read("recorded.serial")).unwrap();
    let log = sandbox.read("vm.rr");
    for (what, cut) in hard_cuts(&log) {
        sandbox.write("cut.rr", &log[..cut]);
        sandbox.blkreplay("recover cut.rr -o whole.rr --force").finish().ends_with(3);
        replay(&sandbox, "whole.rr").succeeds();
        let replayed = String::from_utf8(sandbox.read("replayed.serial")).unwrap();
        assert!(recorded.starts_with(&replayed), "{what}: {recorded:?}, {replayed:?}");
    }
    // With an end put where the log was cut, QEMU does not wait for the character: it ends with an error.
    let (_, cut) = hard_cuts(&log)[0];
    let naive = [&log[..cut], &log[log.len() - 2..]].concat();
    sandbox.write("naive.rr", &naive);
    replay(&sandbox, "naive.rr").ends_with(1).says(&["Missing character write event"]);
}

/// Places in the middle of a log: behind the count of the instructions up to a character, inside the character's event,
/// behind it, and behind a completion.
fn hard_cuts(log: &[u8]) -> Vec<(&'static str, usize)> {
    let layout = Layout::named("0c/v8.0").unwrap();
    let mut reader = LogReader::new(log, layout).unwrap();
    let mut starts = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        starts.push((event.event.kind, usize::try_from(event.at).unwrap()));
    }
    let pairs = starts.windows(2).map(|pair| (&pair[0], &pair[1]));
    let printed: Vec<_> = pairs
        .clone()
        .filter(|((count, _), (print, _))| {
            matches!(count, EventKind::Instruction { .. })
                && matches!(print, EventKind::CharWrite { .. })
        })
        .collect();
    let completed: Vec<_> =
        pairs.filter(|((block, _), _)| matches!(block, EventKind::BlockId { .. })).collect();
    let (_, (_, print)) = printed[printed.len() / 2];
    let (_, (_, behind)) = completed[completed.len() / 2];
    vec![
        ("behind a count", *print),
        ("inside a character", print + 3),
        ("behind a character", print + 9),
        ("behind a completion", *behind),
    ]
}
