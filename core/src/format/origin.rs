//! What a file is that is no trace, as far as its first bytes tell.
//!
//! Knows no formats beyond how they begin. Invariant: says only what it recognises.

use super::preamble::MAGIC;

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It has no bytes.
    Empty,
    /// The first bytes of a trace, and no more.
    TraceCut,
    /// A trace that went through a transfer in text mode.
    TraceMangled,
    /// A record/replay log of QEMU.
    QemuLog,
    /// A qcow2 image.
    Qcow2,
    /// Compressed with zstd.
    Zstd,
    /// Compressed with gzip.
    Gzip,
    /// Text.
    Text,
    /// Zeroes, as an empty disk image has.
    Zeroes,
    /// Something else.
    Unknown,
}

impl Origin {
    /// All of them, as they are named in messages.
    pub const NAMES: [(Origin, &'static str); 10] = [
        (Origin::Empty, "it is empty"),
        (Origin::TraceCut, "it is cut within its first bytes"),
        (Origin::TraceMangled, "it was a trace, and a transfer in text mode changed it"),
        (Origin::QemuLog, "it looks like a record/replay log of QEMU"),
        (Origin::Qcow2, "it looks like a qcow2 image"),
        (Origin::Zstd, "it is compressed with zstd"),
        (Origin::Gzip, "it is compressed with gzip"),
        (Origin::Text, "it looks like text"),
        (Origin::Zeroes, "it begins with zeroes, as a disk image may"),
        (Origin::Unknown, "it does not begin as one"),
    ];

    /// How it is named in messages.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// What a file is that begins with `start` and is no trace.
    pub(super) fn of(start: &[u8]) -> Origin {
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        // QEMU writes its version, 0x00e0xxxx, big-endian, and eight zero bytes.
        let is_qemu = start.starts_with(&[0, 0xe0]) && start.get(4..12) == Some(&[0; 8]);
        match start {
            [] => Origin::Empty,
            _ if MAGIC.starts_with(start) => Origin::TraceCut,
            [0x89 | 0x09, b'B', b'L', b'K', b'R', ..] | [b'B', b'L', b'K', b'R', ..] => {
                Origin::TraceMangled
            }
            _ if is_qemu => Origin::QemuLog,
            [b'Q', b'F', b'I', 0xfb, ..] => Origin::Qcow2,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Origin::Zstd,
            [0x1f, 0x8b, ..] => Origin::Gzip,
            _ if start.iter().all(is_text) => Origin::Text,
            _ if start.iter().all(|byte| *byte == 0) => Origin::Zeroes,
            _ => Origin::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_file_is() {
        for (start, origin) in [
            (&b""[..], Origin::Empty),
            (b"\x89BLKR\r", Origin::TraceCut),
            (b"\x89BLKR\n\x1a\n\0\0\0", Origin::TraceMangled),
            (b"\x09BLKR\r\n\x1a\n\0\0\0", Origin::TraceMangled),
            (b"\0\xe0\x20\x0c\0\0\0\0\0\0\0\0\x01", Origin::QemuLog),
            (b"QFI\xfb\0\0\0\x03", Origin::Qcow2),
            (b"\x28\xb5\x2f\xfd\x04", Origin::Zstd),
            (b"\x1f\x8b\x08\x00", Origin::Gzip),
            (b"blkreplay\n", Origin::Text),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0\0", Origin::Zeroes),
            (b"\0\xe0", Origin::Unknown),
            (b"\x7fELF\x02", Origin::Unknown),
        ] {
            assert_eq!(Origin::of(start), origin, "{start:?}");
        }
    }

    #[test]
    fn names_stand_in_their_table_at_their_number() {
        for (number, (origin, name)) in Origin::NAMES.into_iter().enumerate() {
            assert_eq!(origin as usize, number);
            assert_eq!(origin.name(), name);
        }
    }
}
