//! Real clients. Each is recorded at work, its trace is held against what it should have done, and replayed.
//!
//! Invariant: every recording here ends in [`assert_replays`], or says why it cannot.

/// Requests that the client itself holds back, lets go, and fails.
mod blkdebug;
/// A whole file system: mkfs, mount, a tree of files, fstrim, umount.
mod ext4;
/// Requests beyond 4 GiB.
mod extended;
/// Random I/O that the client verifies itself.
mod fio;
/// Corner cases of the protocol, one by one.
mod libnbd;
/// Clients that run twice, the second time behind a replay.
mod live;
/// What the kernel's client can find out.
mod nbd_client;
/// Many requests over several connections at once.
mod nbdcopy;
/// What a client can find out before it sends a request.
mod nbdinfo;
/// Images that are not raw.
mod qcow2;
/// Whole images in and out.
mod qemu_img;
/// A script of overlapping requests, one kind after the other.
mod qemu_io;
/// A virtual machine that records itself, on a disk that we record.
pub(crate) mod qemu_vm;
/// Clients made from a seed, held against an array of bytes.
mod seeded;
/// Several images and several clients in one recording.
mod several;
/// A second recorder between the client and us, whose log must say the same as ours.
mod witness;

use crate::support::Sandbox;

/// Replays `t.blkr` onto `before.img`, a copy of the image as it was before the recording, and asserts that
/// it becomes `disk.img`, the image that `record --write` left, byte for byte.
#[track_caller]
fn assert_replays(sandbox: &Sandbox) {
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    sandbox.assert_same("before.img", "disk.img");
}
