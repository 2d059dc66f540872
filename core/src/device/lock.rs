//! Locks on image files: shared to read, exclusive to write, understood by QEMU and by us alike.
//!
//! A lock is a set of read-locked bytes of the file, and of the open file description, not the process. Byte
//! 100+i says *I hold permission i*, byte 200+i says *I let nobody else hold permission i* (the bytes that
//! QEMU uses in block/file-posix.c). One first sets one's own bytes and then looks at those of others, so
//! of two that come at once both may be refused, but never both admitted. Invariant: the lock lives as long
//! as the open file, and no longer.

use std::fs;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::Access;

/// Constants of the system, in the width of the structure that they go into.
const SHARED: libc::c_short = narrow(libc::F_RDLCK);
const EXCLUSIVE: libc::c_short = narrow(libc::F_WRLCK);
const UNLOCKED: libc::c_short = narrow(libc::F_UNLCK);
const START: libc::c_short = narrow(libc::SEEK_SET);

#[expect(clippy::cast_possible_truncation, reason = "the constants are 0, 1 and 2")]
const fn narrow(constant: i32) -> libc::c_short {
    constant as libc::c_short
}

/// The byte that says that permission 0 is held.
const HELD_BASE: u8 = 100;

/// The byte that says that permission 0 is not shared.
const UNSHARED_BASE: u8 = 200;

/// The permissions of QEMU that matter here, by number.
const CONSISTENT_READ: u8 = 0;
const WRITE: u8 = 1;
const RESIZE: u8 = 3;

/// All of them, for looking at what others let us have.
const PERMISSIONS: [u8; 4] = [CONSISTENT_READ, WRITE, 2, RESIZE];

/// What another program does with the file, so that we may not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// It writes, or changes the size.
    Writer,
    /// It needs what it reads to stay as it is.
    Reader,
}

/// Reads as the end of a sentence: `another program …`.
impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Holder::Writer => "has it open for writing",
            Holder::Reader => "reads it and lets nobody write",
        })
    }
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another open of the file stands in the way.
    #[error("another program {0}")]
    Held(Holder),
    /// The file system has no locks.
    #[error("the file system cannot lock it")]
    Unsupported(#[source] nix::Error),
}

/// Locks `file` for `access`, without waiting.
///
/// Everybody who locks lets others read what may change under them (`qemu-img -U` does), so a lock never
/// stops somebody from just looking.
pub(super) fn lock(file: &fs::File, access: Access) -> Result<(), LockError> {
    let held: &[u8] = match access {
        Access::ReadOnly => &[CONSISTENT_READ],
        Access::ReadWrite => &[CONSISTENT_READ, WRITE],
    };
    let unshared = [WRITE, RESIZE];
    for byte in held.iter().map(|i| HELD_BASE + i).chain(unshared.map(|i| UNSHARED_BASE + i)) {
        set(file, byte).map_err(LockError::Unsupported)?;
    }
    for permission in unshared {
        check(file, HELD_BASE + permission, Holder::Writer)?;
    }
    for permission in PERMISSIONS.iter().filter(|permission| held.contains(permission)) {
        check(file, UNSHARED_BASE + permission, Holder::Reader)?;
    }
    Ok(())
}

fn check(file: &fs::File, byte: u8, holder: Holder) -> Result<(), LockError> {
    match is_set_by_others(file, byte) {
        Ok(false) => Ok(()),
        Ok(true) => Err(LockError::Held(holder)),
        Err(error) => Err(LockError::Unsupported(error)),
    }
}

fn set(file: &fs::File, byte: u8) -> nix::Result<()> {
    let request = one_byte(SHARED, byte);
    fcntl(file, FcntlArg::F_OFD_SETLK(&request)).map(|_| ())
}

/// Asks whether the byte could be write-locked: any lock of somebody else's is in the way of that.
fn is_set_by_others(file: &fs::File, byte: u8) -> nix::Result<bool> {
    let mut request = one_byte(EXCLUSIVE, byte);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut request))?;
    Ok(request.l_type != UNLOCKED)
}

fn one_byte(kind: libc::c_short, byte: u8) -> libc::flock {
    libc::flock {
        l_type: kind,
        l_whence: START,
        l_start: libc::off_t::from(byte),
        l_len: 1,
        // Must be zero for locks of an open file description.
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two separate opens of one file, as two programs would have it.
    fn two_opens() -> (tempfile::NamedTempFile, fs::File, fs::File) {
        let named = tempfile::NamedTempFile::new().unwrap();
        let open = || fs::File::options().read(true).write(true).open(named.path()).unwrap();
        let (one, other) = (open(), open());
        (named, one, other)
    }

    fn held(result: Result<(), LockError>) -> Option<Holder> {
        match result {
            Ok(()) => None,
            Err(LockError::Held(holder)) => Some(holder),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        use Access::{ReadOnly, ReadWrite};
        for (first, second, refused) in [
            (ReadOnly, ReadOnly, None),
            (ReadOnly, ReadWrite, Some(Holder::Reader)),
            (ReadWrite, ReadOnly, Some(Holder::Writer)),
            (ReadWrite, ReadWrite, Some(Holder::Writer)),
        ] {
            let (_named, one, other) = two_opens();
            lock(&one, first).unwrap();
            assert_eq!(held(lock(&other, second)), refused, "{first:?} then {second:?}");
        }
    }

    #[test]
    fn a_lock_goes_with_the_file() {
        let (_named, one, other) = two_opens();
        lock(&one, Access::ReadWrite).unwrap();
        drop(one);
        lock(&other, Access::ReadWrite).unwrap();
    }

    /// The bytes that QEMU's own programs were seen to lock (/proc/locks) while they had an image open.
    #[test]
    fn we_and_qemu_refuse_each_other_as_two_qemus_do() {
        let raw_writer: &[u8] = &[100, 101];
        let qcow2_writer: &[u8] = &[100, 101, 103, 201, 203];
        let raw_reader: &[u8] = &[100];
        let qcow2_reader: &[u8] = &[100, 201, 203];
        for (theirs, ours, refused) in [
            (raw_writer, Access::ReadOnly, Some(Holder::Writer)),
            (raw_writer, Access::ReadWrite, Some(Holder::Writer)),
            (qcow2_writer, Access::ReadOnly, Some(Holder::Writer)),
            (raw_reader, Access::ReadOnly, None),
            (raw_reader, Access::ReadWrite, None),
            (qcow2_reader, Access::ReadOnly, None),
            (qcow2_reader, Access::ReadWrite, Some(Holder::Reader)),
        ] {
            let (_named, one, other) = two_opens();
            for &byte in theirs {
                set(&one, byte).unwrap();
            }
            assert_eq!(held(lock(&other, ours)), refused, "{theirs:?} then {ours:?}");
        }
    }

    #[test]
    fn qemu_sees_our_bytes() {
        let (_named, one, other) = two_opens();
        lock(&one, Access::ReadWrite).unwrap();
        let seen: Vec<u8> =
            (0..=u8::MAX).filter(|byte| is_set_by_others(&other, *byte).unwrap()).collect();
        assert_eq!(seen, [100, 101, 201, 203]);
    }
}
