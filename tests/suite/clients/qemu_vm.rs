//! A virtual machine of QEMU that records itself, on a disk that we record: two logs, one story.
//!
//! The guest is `qemu/boot.img`, whose source is `qemu/boot.S`: it reads 24 sectors one by one, writes each
//! to another place with some bits turned, reads it back, and prints a dot. Invariant: the emulator is the one that
//! `tests/tools/qemu.sh` unpacks, or of the same series; without one the tests fail.

use std::io::Cursor;
use std::path::PathBuf;

use blkreplay_core::event::EventKind;
use blkreplay_core::qemu::{self, LogReader};
use blkreplay_fixtures::workload::solid_bytes;

use crate::clients::assert_replays;
use crate::support::Sandbox;
use crate::trace::{Row, Trace};

pub(super) const SECTOR: u64 = 512;

/// How many sectors the guest copies: `NREAD` of its source.
pub(super) const COPIED: u64 = 24;

/// How far the copies are from what was read, in sectors.
const DISTANCE: u64 = 64;

/// The bits that the guest turns in each byte: `KEY` of its source.
const TURNED: u8 = 0x5a;

/// What the guest prints on its serial port if all went well.
pub(super) const SERIAL: &str = "B........................K\n";

/// A request as its operation, offset and length in bytes.
type Asked<'a> = (&'a str, u64, u64);

/// QEMU's system emulator for `x86_64`.
#[track_caller]
pub(crate) fn emulator() -> PathBuf {
    let own = std::env::var_os("BLKREPLAY_TEST_QEMU").map(PathBuf::from);
    let unpacked = concat!(env!("CARGO_TARGET_TMPDIR"), "/../tools/qemu-7.2/qemu-system-x86_64");
    let emulator = own.unwrap_or_else(|| PathBuf::from(unpacked));
    let shown = emulator.display();
    assert!(emulator.is_file(), "{shown} is missing: run `tests/run.sh tools`, which unpacks it");
    emulator
}

/// A disk of 1 MiB that starts the guest, and holds no zeroes where it reads and writes.
pub(crate) fn guest_disk() -> Vec<u8> {
    let mut disk = solid_bytes(21, 1 << 20);
    let boot = blkreplay_fixtures::bytes("qemu/boot.img");
    disk[..boot.len()].copy_from_slice(&boot);
    disk
}

/// The words of a virtual machine on the disk `{uri}`. `rr` is `record` or `replay`, of `vm.rr`; `serial` is the file
/// that gets what the guest prints.
pub(super) fn machine(rr: &str, serial: &str) -> Vec<String> {
    let options = format!(
        "-machine pc,accel=tcg -m 16 -nodefaults -no-user-config -display none -vga none -net none -no-reboot \
         -icount shift=auto,rr={rr},rrfile=vm.rr \
         -drive file={{uri}},format=raw,if=none,id=img-direct \
         -drive driver=blkreplay,if=none,image=img-direct,id=img-blkreplay \
         -device ide-hd,drive=img-blkreplay -serial file:{serial}"
    );
    let emulator = emulator().to_str().unwrap().to_owned();
    std::iter::once(emulator).chain(options.split_whitespace().map(str::to_owned)).collect()
}

/// Records the machine twice at once, QEMU's log into `vm.rr` and ours into `t.blkr`.
#[track_caller]
pub(super) fn record(sandbox: &Sandbox) {
    sandbox.write("disk.img", &guest_disk());
    sandbox.write("before.img", &guest_disk());
    sandbox
        .blkreplay("record disk.img -o t.blkr --write --payload all --")
        .args(machine("record", "recorded.serial"))
        .finish()
        .succeeds();
    assert_eq!(String::from_utf8(sandbox.read("recorded.serial")).unwrap(), SERIAL);
}

/// What the guest asks of its disk: the firmware reads the first sector, which does the rest.
fn guest_asks() -> Vec<Asked<'static>> {
    let mut asked = vec![("read", 0, SECTOR)];
    for sector in 1..=COPIED {
        let copy = (sector + DISTANCE) * SECTOR;
        asked.push(("read", sector * SECTOR, SECTOR));
        asked.extend([("write", copy, SECTOR), ("read", copy, SECTOR)]);
    }
    asked
}

/// The numbers of the requests that a whole log says were completed, in its order.
#[track_caller]
fn logged_blocks(log: &[u8]) -> Vec<u64> {
    let survey = qemu::survey(Cursor::new(log), None).unwrap();
    assert_eq!((survey.layout.label, survey.stop), ("0c/v8.0", None));
    let mut reader = LogReader::new(log, survey.layout).unwrap();
    let mut blocks = Vec::new();
    while let Some(logged) = reader.next_event().unwrap() {
        if let EventKind::BlockId { id } = logged.event.kind {
            blocks.push(id.0);
        }
    }
    blocks
}

fn asked(row: &Row) -> Asked<'_> {
    (&row.op, row.off, row.len)
}

#[test]
fn qemu_logs_as_many_completions_as_we_record_reads_and_writes_of_its_guest() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());

    // Outside of what QEMU logs are two requests. While it opens the disk, before its record/replay starts, it
    // reads the first sector for a partition table, to guess a geometry from. When it closes it, it flushes.
    let [before, guest @ .., after] = trace.rows.as_slice() else { panic!("{:?}", trace.rows) };
    assert_eq!(asked(before), ("read", 0, SECTOR), "to guess the geometry");
    assert_eq!(asked(after), ("flush", 0, 0), "at the close");
    assert_eq!(guest.iter().map(asked).collect::<Vec<_>>(), guest_asks());

    let blocks = logged_blocks(&sandbox.read("vm.rr"));
    let guest_requests = guest.iter().filter(|row| row.op == "read" || row.op == "write").count();
    assert_eq!(blocks.len(), guest_requests);
    // The disk is an IDE one: it has one request in flight, so they complete in the order of their numbers.
    assert!(blocks.iter().copied().eq(0..guest_requests as u64), "{blocks:?}");
}

#[test]
fn the_disk_of_a_recorded_guest_is_as_its_program_says_and_can_be_made_again() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let mut expected = sandbox.read("before.img");
    let sector = usize::try_from(SECTOR).unwrap();
    let distance = usize::try_from(DISTANCE * SECTOR).unwrap();
    let copied = sector..sector * (1 + usize::try_from(COPIED).unwrap());
    for place in copied {
        expected[place + distance] = expected[place] ^ TURNED;
    }
    assert!(sandbox.read("disk.img") == expected, "the disk is not what the guest wrote");
    assert_replays(&sandbox);
}

#[test]
fn the_guest_is_one_sector_that_a_bios_starts() {
    let boot = blkreplay_fixtures::bytes("qemu/boot.img");
    assert_eq!(boot.len() as u64, SECTOR);
    assert!(boot.ends_with(&[0x55, 0xaa]), "what a BIOS looks for");
}
