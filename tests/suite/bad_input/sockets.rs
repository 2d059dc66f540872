//! Who can reach a socket, and what is left of it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::process::Signal;

use crate::support::Sandbox;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_socket_of_our_own_choice_is_private_and_removed_afterwards() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let mut recording = sandbox.blkreplay("record disk.img -o t.blkr").start();
    recording.wait_for_stderr("serving");
    let entries: Vec<_> = sandbox.runtime_directory().read_dir().unwrap().collect();
    assert_eq!(entries.len(), 1);
    let directory = entries[0].as_ref().unwrap().path();
    assert_eq!(mode(&directory), 0o700);
    let sockets: Vec<_> =
        directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(sockets.len(), 2, "that of the disk and that of the marks");
    for socket in sockets {
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
        assert_eq!(mode(&socket), 0o600);
    }
    recording.signal(Signal::TERM);
    recording.finish().succeeds();
    assert_eq!(sandbox.runtime_directory().read_dir().unwrap().count(), 0);
}

#[test]
fn a_socket_at_a_given_path_is_its_owners_alone_and_removed_afterwards() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let mut recording = sandbox.blkreplay("record disk.img -o t.blkr --listen unix:d.sock").start();
    recording.wait_for_stderr("serving");
    assert_eq!(mode(&sandbox.path("d.sock")), 0o600);
    // Nobody else can have it meanwhile, and whoever tries does not take it away.
    sandbox.blank("other.img", 1 << 20);
    sandbox
        .blkreplay("record other.img -o u.blkr --listen unix:d.sock")
        .finish()
        .ends_with(2)
        .says(&["error", "d.sock"]);
    assert!(sandbox.path("d.sock").exists());
    recording.signal(Signal::INT);
    recording.finish().succeeds();
    assert!(!sandbox.path("d.sock").exists());
}

#[test]
fn other_machines_are_kept_out_unless_let_in() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    sandbox
        .blkreplay("record disk.img -o t.blkr --listen tcp:0.0.0.0:0 -- touch ran")
        .finish()
        .ends_with(2)
        .says(&["error", "0.0.0.0", "--allow-plaintext"]);
    assert!(!sandbox.path("ran").exists());
}

#[test]
fn a_socket_path_that_no_socket_can_have_is_refused_with_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let name = "s".repeat(120);
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr --listen unix:{name} -- touch ran"))
        .finish()
        .ends_with(2)
        .says(&["error", "hint"]);
    assert!(!sandbox.path("ran").exists());
}
