//! Images that cannot be served.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::{Sandbox, is_root, left_out};
use crate::trace::{Trace, rows};

/// Asserts that `image` is refused by name, for a reason that holds `reason`, before COMMAND is run.
#[track_caller]
fn check(sandbox: &Sandbox, image: &str, reason: &str) {
    let refused = sandbox
        .blkreplay(&format!("record {image} -o t.blkr -- touch ran"))
        .finish()
        .ends_with(2)
        .says(&["error", image, reason]);
    assert!(refused.stdout.is_empty(), "{refused}");
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");
    assert!(!sandbox.path("t.blkr").exists(), "a trace of nothing was left");
}

#[test]
fn a_missing_image_is_refused() {
    check(&Sandbox::new(), "missing.img", "does not exist");
}

#[test]
fn an_empty_image_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.img", b"");
    check(&sandbox, "empty.img", "empty");
}

#[test]
fn a_directory_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("folder")).unwrap();
    check(&sandbox, "folder", "directory");
}

#[test]
fn an_image_without_permission_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.blank("secret.img", 1 << 20);
    fs::set_permissions(sandbox.path("secret.img"), Permissions::from_mode(0o000)).unwrap();
    if !is_root() {
        check(&sandbox, "secret.img", "ermission");
        return;
    }
    // Root may read everything, so the program is run as nobody, from a place that nobody can reach.
    fs::copy(env!("CARGO_BIN_EXE_blkreplay"), sandbox.path("program")).unwrap();
    for place in ["", "tmp", "run", "program"] {
        fs::set_permissions(sandbox.path(place), Permissions::from_mode(0o777)).unwrap();
    }
    let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "./program"];
    let record = ["record", "secret.img", "-o", "t.blkr", "--", "touch", "ran"];
    let tried = sandbox.tool("setpriv").args(as_nobody).args(["--version"]).finish();
    if !tried.stdout.contains("blkreplay") {
        left_out("an image without permission: setpriv cannot become nobody here");
        return;
    }
    sandbox.tool("setpriv").args(as_nobody).args(record).finish().ends_with(2).says(&[
        "error",
        "secret.img",
        "ermission",
    ]);
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");
}

#[test]
fn the_same_image_twice_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    fs::hard_link(sandbox.path("disk.img"), sandbox.path("same.img")).unwrap();
    for other in ["disk.img", "same.img"] {
        sandbox
            .blkreplay(&format!("record disk.img {other} -o t.blkr -- touch ran"))
            .finish()
            .ends_with(2)
            .says(&["error", other]);
        assert!(!sandbox.path("ran").exists(), "COMMAND was run");
    }
}

#[test]
fn a_qcow2_image_with_a_broken_header_is_refused() {
    let sandbox = Sandbox::new();
    let mut image = vec![0xff; 64 << 10];
    image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    sandbox.write("broken.qcow2", &image);
    sandbox
        .blkreplay("record broken.qcow2 -o t.blkr -- true")
        .finish()
        .ends_with(2)
        .says(&["error", "broken.qcow2"]);
}

#[test]
fn an_image_that_another_writer_has_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let mut first =
        sandbox.blkreplay("record disk.img -o none --write --listen unix:run/first").start();
    first.wait_for_stderr("serving");
    sandbox
        .blkreplay("record disk.img -o t.blkr --write -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "disk.img", "in use"]);
    // Nor may anybody read what is being written: the trace would not fit the image.
    sandbox
        .blkreplay("record disk.img -o t.blkr -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "disk.img", "in use"]);
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");
    let qemu = sandbox.tool("qemu-io").args(["-f", "raw", "-c", "write 0 4k", "disk.img"]).finish();
    assert!(qemu.stderr.contains("lock"), "QEMU respects our lock: {qemu}");
    first.signal(rustix::process::Signal::INT);
    first.finish().succeeds();
}

#[test]
fn an_image_that_qemu_writes_to_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let qemu = sandbox.tool("qemu-nbd").args(["-t", "-f", "raw", "-k"]);
    let server = qemu.args([sandbox.path("run/qemu")]).args(["disk.img"]).start();
    crate::support::wait_for("qemu-nbd's socket", || {
        std::os::unix::net::UnixStream::connect(sandbox.path("run/qemu")).ok()
    });
    sandbox
        .blkreplay("record disk.img -o t.blkr --write -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "disk.img", "in use"]);
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");
    drop(server);
}

#[test]
fn an_image_that_shrinks_gives_its_client_an_error() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 20, 4 << 20);
    let client = sandbox.script(
        "client.sh",
        "truncate -s 1M disk.img
         qemu-io -r -f raw -c 'read 0 64k' \"$BLKREPLAY_URI\"
         ! qemu-io -r -f raw -c 'read 2M 64k' \"$BLKREPLAY_URI\"",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    let trace = Trace::whole(&sandbox, "t.blkr");
    let results = |off| {
        let row = trace.of("read").find(|row| row.off == off);
        row.and_then(|row| row.result.clone()).unwrap()
    };
    assert_eq!(results(0), "ok");
    assert_eq!(results(2 << 20), "EIO", "nothing that was not there is made up");
}

#[test]
fn an_image_that_grows_is_served_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 21, 1 << 20);
    let client =
        sandbox.script("client.sh", "truncate -s 4M disk.img\nnbdcopy \"$BLKREPLAY_URI\" out.img");
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    assert_eq!(fs::metadata(sandbox.path("out.img")).unwrap().len(), 1 << 20);
    let printed = sandbox.blkreplay("print t.blkr --json").finish().succeeds();
    assert!(rows(&printed.stdout).iter().all(|row| row.off + row.len <= 1 << 20));
}
