//! QEMU replays its log of a virtual machine while we replay our trace of the machine's disk.

use crate::clients::live::Replay;
use crate::clients::qemu_vm::{COPIED, SECTOR, SERIAL, guest_disk, machine, record};
use crate::support::Sandbox;
use crate::trace::Trace;

/// Replays the machine that [`record`] recorded, both logs at once.
#[track_caller]
fn replay(sandbox: &Sandbox, options: &str) -> Replay {
    let arguments = format!("replay t.blkr {options} --json --");
    let machine = machine("replay", "replayed.serial");
    Replay::of(sandbox.blkreplay(&arguments).args(machine).finish())
}

#[track_caller]
fn assert_printed(sandbox: &Sandbox) {
    assert_eq!(String::from_utf8(sandbox.read("replayed.serial")).unwrap(), SERIAL);
}

#[test]
fn a_guest_does_the_same_again_on_a_copy_of_its_disk() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let trace = Trace::whole(&sandbox, "t.blkr");
    replay(&sandbox, "before.img --write").repeats(&trace);
    assert_printed(&sandbox);
    sandbox.assert_same("before.img", "disk.img");
}

#[test]
fn a_guest_does_the_same_again_with_no_disk_but_the_trace() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let trace = Trace::whole(&sandbox, "t.blkr");
    sandbox.remove("disk.img");
    sandbox.remove("before.img");
    replay(&sandbox, "").repeats(&trace);
    assert_printed(&sandbox);
}

#[test]
fn a_disk_with_one_other_byte_is_told_of_where_qemu_notices_nothing() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let trace = Trace::whole(&sandbox, "t.blkr");
    let mut disk = guest_disk();
    let changed = COPIED / 2 * SECTOR;
    disk[usize::try_from(changed).unwrap() + 100] ^= 0x20;
    sandbox.write("before.img", &disk);
    let read = trace.of("read").filter(|row| row.off == changed);
    replay(&sandbox, "before.img --any-image").diverges_at(&["data"], read);
}
