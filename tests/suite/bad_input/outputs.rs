//! Traces that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Sandbox, is_root, left_out};
use crate::trace::{Trace, rows};

const MIB: u64 = 1 << 20;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_blkreplay");

#[test]
fn an_output_that_exists_is_left_alone_unless_forced() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    sandbox.write("t.blkr", b"precious");
    sandbox
        .blkreplay("record disk.img -o t.blkr -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "t.blkr", "exists", "--force"]);
    assert_eq!(sandbox.read("t.blkr"), b"precious");
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");

    sandbox.blkreplay("record disk.img -o t.blkr --force -- touch ran").finish().succeeds();
    assert!(sandbox.path("ran").exists());
    sandbox.blkreplay("info t.blkr").finish().succeeds();
    let mode = fs::metadata(sandbox.path("t.blkr")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a trace holds what was on the disk");
}

#[test]
fn an_image_is_never_created_over_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("disk.img", b"precious");
    sandbox
        .blkreplay("record disk.img --create 1M -o t.blkr -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "disk.img", "exists"]);
    assert_eq!(sandbox.read("disk.img"), b"precious");
}

#[test]
fn an_output_in_a_directory_that_does_not_exist_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    sandbox
        .blkreplay("record disk.img -o nowhere/t.blkr -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "nowhere/t.blkr", "No such file"]);
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");
}

#[test]
fn an_output_without_an_image_to_record_is_a_usage_error() {
    let sandbox = Sandbox::new();
    sandbox.blkreplay("record -o t.blkr").finish().ends_with(2).says(&["IMAGE"]);
    sandbox.blank("disk.img", MIB);
    sandbox.blkreplay("record disk.img").finish().ends_with(2).says(&["--output"]);
    assert!(!sandbox.path("t.blkr").exists());
}

/// A small disk, mounted until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(sandbox: &Sandbox, name: &str) -> SmallDisk {
        let place = sandbox.path(name);
        fs::create_dir(&place).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=2M", "tmpfs"];
        sandbox.tool("mount").args(options).args([&place]).finish().succeeds();
        SmallDisk(place)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_ends_the_recording_but_not_the_client() {
    if !is_root() {
        left_out("a full disk while recording: needs root to mount a small one");
        return;
    }
    let sandbox = Sandbox::new();
    let small = SmallDisk::mount(&sandbox, "small");
    sandbox.solid("source.img", 40, 16 * MIB);
    sandbox.blank("disk.img", 16 * MIB);
    // A first request with a chunk of its own, then more than fits, then a wait for the test.
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'write -P 1 0 64k' \"$BLKREPLAY_URI\"
         sleep 1
         nbdcopy source.img \"$BLKREPLAY_URI\"
         touch copied
         while [ ! -e go-on ]; do sleep 0.05; done
         nbdcopy source.img \"$BLKREPLAY_URI\"",
    );
    let mut recording =
        sandbox.blkreplay(&format!("record disk.img -o small/t.blkr --write -- {client}")).start();
    recording.wait_for_stderr("No space left");
    crate::support::wait_for("the client to be served on", || {
        sandbox.path("copied").exists().then_some(())
    });
    sandbox.write("go-on", b"");
    recording.finish().ends_with(2).says(&[
        "error: the trace small/t.blkr is not whole",
        "hint: blkreplay print small/t.blkr shows what there is",
    ]);
    sandbox.assert_same("disk.img", "source.img");

    let printed = sandbox.blkreplay("print small/t.blkr --json").finish().ends_with(3);
    let kept = rows(&printed.stdout);
    assert!(!kept.is_empty(), "what was whole before is kept");
    assert!(kept.iter().enumerate().all(|(index, row)| row.id == index as u64), "{kept:?}");
    sandbox.blkreplay("recover small/t.blkr -o whole.blkr").finish().ends_with(3);
    sandbox.blkreplay("check whole.blkr").finish().succeeds();
    drop(small);
}

#[test]
fn a_disk_that_is_full_under_what_is_thrown_away_is_the_clients_error_and_the_trace_is_whole() {
    if !is_root() {
        left_out("a full disk under an overlay: needs root to mount a small one");
        return;
    }
    let sandbox = Sandbox::new();
    let small = SmallDisk::mount(&sandbox, "small");
    sandbox.solid("disk.img", 41, 8 * MIB);
    // A trace that is a stream has no directory in which changes could be kept; TMPDIR has.
    let client = sandbox.script(
        "client.sh",
        "qemu-io -t writeback -f raw -c 'write -P 1 0 1M' -c 'write -P 2 1M 4M' -c 'read -P 1 0 1M' \
         -c 'write -z 1M 4M' -c 'read -P 0 1M 4M' -c flush \"$BLKREPLAY_URI\" >said 2>&1 || test $? = 1",
    );
    let record = format!("exec {PROGRAM} record disk.img -o - -- {client} >t.blkr");
    let recorded = sandbox.tool("sh").args(["-c", &record]).env("TMPDIR", sandbox.path("small"));
    recorded.finish().succeeds();
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(said.contains("write failed: No space left on device"), "{said}");
    assert!(!said.contains("verification failed") && said.matches("failed").count() == 1, "{said}");
    let trace = Trace::whole(&sandbox, "t.blkr");
    let results: Vec<_> = trace.rows.iter().map(|row| row.result.as_deref().unwrap()).collect();
    assert_eq!(results[..6], ["ok", "ENOSPC", "ok", "ok", "ok", "ok"]);
    drop(small);
}
