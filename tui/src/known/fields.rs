//! Which structures are known, and what lies where in them. Written by hand from what the systems document; holds no code.
//!
//! - MBR and GPT: UEFI 2.10, 5.2.1 and 5.3.2.
//! - ext4: the kernel's documentation of `struct ext4_super_block`. XFS: `struct xfs_dsb`, big-endian but for its checksum.
//! - btrfs: `struct btrfs_super_block`, which lies at 64 KiB, 64 MiB and 256 GiB.

/// A structure.
#[derive(Debug)]
pub(super) struct Structure {
    /// What it is called.
    pub(super) name: &'static str,
    /// Bytes of it.
    pub(super) size: usize,
    /// What it begins at a multiple of.
    pub(super) step: u64,
    /// It lies at the beginning of the disk alone.
    pub(super) is_first: bool,
    /// What is in it, and where.
    pub(super) magic: (usize, &'static [u8]),
    /// Its fields.
    pub(super) fields: &'static [Field],
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// What it is called.
    pub(super) name: &'static str,
    /// Its first byte.
    pub(super) at: usize,
    /// How many.
    pub(super) length: usize,
    /// What they are.
    pub(super) form: Form,
}

/// What bytes are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A number, the lowest byte first.
    Little,
    /// A number, the highest byte first.
    Big,
    /// The same as `Little`, in hexadecimal digits.
    Hex,
    /// Seconds since 1970, as `Little`.
    Time,
    /// A text that zeroes end.
    Text,
    /// A UUID, in the order of its bytes.
    Uuid,
    /// A GUID.
    Guid,
}

use Form::{Big, Guid, Hex, Little, Text, Time, Uuid};

const fn field(name: &'static str, at: usize, length: usize, form: Form) -> Field {
    Field { name, at, length, form }
}

/// All.
pub(super) static STRUCTURES: [Structure; 5] = [
    Structure {
        name: "MBR",
        size: 512,
        step: 512,
        is_first: true,
        magic: (0x1fe, &[0x55, 0xaa]),
        fields: &[
            field("disk_signature", 0x1b8, 4, Hex),
            field("type_1", 0x1c2, 1, Hex),
            field("first_1", 0x1c6, 4, Little),
            field("sectors_1", 0x1ca, 4, Little),
            field("type_2", 0x1d2, 1, Hex),
            field("first_2", 0x1d6, 4, Little),
            field("sectors_2", 0x1da, 4, Little),
            field("type_3", 0x1e2, 1, Hex),
            field("first_3", 0x1e6, 4, Little),
            field("sectors_3", 0x1ea, 4, Little),
            field("type_4", 0x1f2, 1, Hex),
            field("first_4", 0x1f6, 4, Little),
            field("sectors_4", 0x1fa, 4, Little),
        ],
    },
    Structure {
        name: "GPT header",
        size: 92,
        step: 512,
        is_first: false,
        magic: (0, b"EFI PART"),
        fields: &[
            field("header_crc32", 0x10, 4, Hex),
            field("my_lba", 0x18, 8, Little),
            field("alternate_lba", 0x20, 8, Little),
            field("first_usable_lba", 0x28, 8, Little),
            field("last_usable_lba", 0x30, 8, Little),
            field("disk_guid", 0x38, 16, Guid),
            field("entries_lba", 0x48, 8, Little),
            field("entries", 0x50, 4, Little),
            field("entries_crc32", 0x58, 4, Hex),
        ],
    },
    Structure {
        name: "ext4 superblock",
        size: 1024,
        step: 1024,
        is_first: false,
        magic: (0x38, &[0x53, 0xef]),
        fields: &[
            field("s_mtime", 0x2c, 4, Time),
            field("s_wtime", 0x30, 4, Time),
            field("s_mnt_count", 0x34, 2, Little),
            field("s_state", 0x3a, 2, Hex),
            field("s_free_blocks_count", 0xc, 4, Little),
            field("s_free_inodes_count", 0x10, 4, Little),
            field("s_blocks_count", 0x4, 4, Little),
            field("s_inodes_count", 0x0, 4, Little),
            field("s_log_block_size", 0x18, 4, Little),
            field("s_lastcheck", 0x40, 4, Time),
            field("s_uuid", 0x68, 16, Uuid),
            field("s_volume_name", 0x78, 16, Text),
            field("s_last_mounted", 0x88, 64, Text),
            field("s_last_orphan", 0xe8, 4, Little),
            field("s_mkfs_time", 0x108, 4, Time),
            field("s_kbytes_written", 0x178, 8, Little),
            field("s_checksum", 0x3fc, 4, Hex),
        ],
    },
    Structure {
        name: "XFS superblock",
        size: 512,
        step: 512,
        is_first: false,
        magic: (0, b"XFSB"),
        fields: &[
            field("sb_blocksize", 0x4, 4, Big),
            field("sb_dblocks", 0x8, 8, Big),
            field("sb_uuid", 0x20, 16, Uuid),
            field("sb_logstart", 0x30, 8, Big),
            field("sb_agcount", 0x58, 4, Big),
            field("sb_fname", 0x6c, 12, Text),
            field("sb_icount", 0x80, 8, Big),
            field("sb_ifree", 0x88, 8, Big),
            field("sb_fdblocks", 0x90, 8, Big),
            field("sb_crc", 0xe0, 4, Hex),
            field("sb_lsn", 0xf0, 8, Big),
        ],
    },
    Structure {
        name: "btrfs superblock",
        size: 4096,
        step: 4096,
        is_first: false,
        magic: (0x40, b"_BHRfS_M"),
        fields: &[
            field("csum", 0x0, 8, Hex),
            field("fsid", 0x20, 16, Uuid),
            field("bytenr", 0x30, 8, Little),
            field("flags", 0x38, 8, Hex),
            field("generation", 0x48, 8, Little),
            field("root", 0x50, 8, Little),
            field("chunk_root", 0x58, 8, Little),
            field("log_root", 0x60, 8, Little),
            field("total_bytes", 0x70, 8, Little),
            field("bytes_used", 0x78, 8, Little),
            field("num_devices", 0x88, 8, Little),
            field("chunk_root_generation", 0xa4, 8, Little),
            field("label", 0x12b, 256, Text),
            field("cache_generation", 0x22b, 8, Little),
        ],
    },
];
