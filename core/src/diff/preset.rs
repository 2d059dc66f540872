//! Masks for what is known to change from run to run: times, generations, random names. A name in, rules out.
//!
//! Every offset is of a structure as it lies on the disk, found by its magic number in any block that a request has whole: so a
//! copy of it is masked as well, and a superblock inside of a larger write. Invariant: each is checked against what mkfs writes.

use super::ignore::{Does, IgnoreRule};
use super::mask::{Mask, MaskError};

/// Rules that have a name together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// What is masked.
    pub about: &'static str,
    rules: &'static [Masked],
}

/// One mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Masked {
    name: &'static str,
    bytes: &'static str,
    filter: &'static str,
}

/// All presets.
///
/// - ext4: `struct ext4_super_block`: `s_magic` is at 0x38, `s_rev_level` 0x4c; `s_mtime` 0x2c, `s_wtime` 0x30, `s_lastcheck` 0x40,
///   `s_mkfs_time` 0x108, `s_first_error_time` 0x198, `s_last_error_time` 0x1cc, their high bytes 0x274 to 0x279,
///   `s_checksum` 0x3fc, which depends on all of them. A commit block of the journal: checksums at 0x10, time at 0x30.
/// - XFS: `struct xlog_rec_header`: `h_cycle` 0x4, `h_lsn` 0x10, `h_tail_lsn` 0x18, `h_crc` 0x20. In each sector of a record the
///   first word is the cycle too.
/// - btrfs: `struct btrfs_header`: `csum` 0x0, `flags` 0x38 with the revision of backrefs in the last byte, `generation` 0x50;
///   `struct btrfs_super_block`: `magic` 0x40, `generation` 0x48, `chunk_root_generation` 0xa4, `dev_item.generation` 0xf5,
///   `cache_generation` 0x22b, `uuid_tree_generation` 0x233, and from 0xb2b on four `btrfs_root_backup` of 168 bytes, each with six
///   generations.
/// - GPT (UEFI 2.10, 5.3): the header has its checksum at 0x10, the GUID of the disk at 0x38, the checksum of the entries at 0x58;
///   an entry of 128 bytes its own GUID at 0x10. Entries have no magic number: those are masked whose type is well known.
pub static PRESETS: [Preset; 4] = [
    Preset {
        name: "ext4-times",
        about: "times in superblocks of ext2, ext3 and ext4 and in commits of their journal, with the checksums of both",
        rules: &[
            Masked {
                name: "ext4-times: superblock",
                bytes: "0x2c..0x34, 0x40..0x44, 0x108..0x10c, 0x198..0x19c, 0x1cc..0x1d0, 0x274..0x27a, 0x3fc..0x400 in 1k",
                filter: "(write || has(payload)) && payload[0x38:0x3a] == 53:ef && payload[0x4c:0x50] == 01:00:00:00",
            },
            Masked {
                name: "ext4-times: commit",
                bytes: "0x10..0x3c in 1k",
                filter: "(write || has(payload)) && payload[0:8] == c0:3b:39:98:00:00:00:02",
            },
        ],
    },
    Preset {
        name: "xfs-log-cycle",
        about: "cycle and sequence numbers in the log of XFS, with the checksums of its records",
        rules: &[
            Masked {
                name: "xfs-log-cycle: record",
                bytes: "0x4..0x8, 0x10..0x24 in 512",
                filter: "(write || has(payload)) && payload[0:4] == fe:ed:ba:be",
            },
            Masked {
                name: "xfs-log-cycle: sectors",
                bytes: "+0..4 every 512",
                filter: "(write || has(payload)) && payload[0:4] == fe:ed:ba:be",
            },
        ],
    },
    Preset {
        name: "btrfs-generation",
        about: "generations in superblocks and in heads of tree blocks of btrfs, with the checksums of both",
        rules: &[
            Masked {
                name: "btrfs-generation: superblock",
                bytes: BTRFS_SUPERBLOCK,
                filter: "(write || has(payload)) && payload[0x40:0x48] == \"_BHRfS_M\"",
            },
            Masked {
                name: "btrfs-generation: tree block",
                bytes: "0x0..0x20, 0x50..0x58 in 4k",
                filter: "(write || has(payload)) && payload[0x38] < 4 && payload[0x39:0x40] == 00:00:00:00:00:00:01",
            },
        ],
    },
    Preset {
        name: "gpt-uuid",
        about: "GUIDs of a disk and of partitions of well-known types, with the checksums of both tables",
        rules: &[
            Masked {
                name: "gpt-uuid: header",
                bytes: "0x10..0x14, 0x38..0x48, 0x58..0x5c in 512",
                filter: "(write || has(payload)) && payload[0:8] == \"EFI PART\"",
            },
            Masked { name: "gpt-uuid: entry", bytes: "0x10..0x20 in 128", filter: GPT_TYPES },
        ],
    },
];

/// Generations of a superblock of btrfs.
const BTRFS_SUPERBLOCK: &str = "0x0..0x20, 0x48..0x50, 0xa4..0xac, 0xf5..0xfd, 0x22b..0x23b, 0xb33..0xb3b, \
    0xb43..0xb4b, 0xb53..0xb5b, 0xb63..0xb6b, 0xb73..0xb7b, 0xb83..0xb8b, \
    0xbdb..0xbe3, 0xbeb..0xbf3, 0xbfb..0xc03, 0xc0b..0xc13, 0xc1b..0xc23, \
    0xc2b..0xc33, 0xc83..0xc8b, 0xc93..0xc9b, 0xca3..0xcab, 0xcb3..0xcbb, \
    0xcc3..0xccb, 0xcd3..0xcdb, 0xd2b..0xd33, 0xd3b..0xd43, 0xd4b..0xd53, \
    0xd5b..0xd63, 0xd6b..0xd73, 0xd7b..0xd83 in 4k";

/// The types of partitions that are well known, as an entry has them: the first three groups of digits are little-endian.
const GPT_TYPES: &str = "(write || has(payload)) && payload[0:16] in {af:3d:c6:0f:83:84:72:47:8e:79:3d:69:d8:47:7d:e4, \
    28:73:2a:c1:1f:f8:d2:11:ba:4b:00:a0:c9:3e:c9:3b, \
    48:61:68:21:49:64:6f:6e:74:4e:65:65:64:45:46:49, \
    6d:fd:57:06:ab:a4:c4:43:84:e5:09:33:c8:4b:4f:4f, \
    79:d3:d6:e6:07:f5:c2:44:a2:3c:23:8f:2a:3d:f9:28, \
    0f:88:9d:a1:fc:05:3b:4d:a0:06:74:3f:0f:84:91:1e, \
    a2:a0:d0:eb:e5:b9:33:44:87:c0:68:b6:b7:26:99:c7, \
    16:e3:c9:e3:5c:0b:b8:4d:81:7d:f9:2d:f0:02:15:ae, \
    a4:bb:94:de:d1:06:40:4d:a1:6a:bf:d5:01:79:d6:ac, \
    e3:bc:68:4f:cd:e8:b1:4d:96:e7:fb:ca:f9:84:b7:09, \
    45:b0:21:b9:f0:1d:c3:41:af:44:4c:6f:28:0d:3f:ae, \
    e1:c7:3a:93:b4:2e:13:4f:b8:44:0e:14:e2:ae:f9:15, \
    ff:c2:13:bc:e6:59:62:42:a3:52:b2:75:fd:6f:71:72, \
    cb:7c:7d:ca:ed:63:53:4c:86:1c:17:42:53:60:59:cc}";

impl Preset {
    /// The preset of this name.
    pub fn named(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its rules, found at `at`.
    pub fn rules(&self, at: Option<&str>) -> Result<Vec<IgnoreRule>, MaskError> {
        let rule = |masked: &Masked| {
            Ok(IgnoreRule {
                name: masked.name.to_owned(),
                does: Does::Mask(masked.bytes.parse::<Mask>()?),
                filter: Some(masked.filter.to_owned()),
                at: at.map(str::to_owned),
                preset: Some(self.name),
            })
        };
        self.rules.iter().map(rule).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::SideRules;
    use crate::query::Filter;

    #[test]
    fn every_preset_has_rules_that_can_be_asked_of_any_trace() {
        for preset in PRESETS {
            assert_eq!(Preset::named(preset.name), Some(&preset));
            let rules = preset.rules(Some("a.toml:3")).unwrap();
            assert!(!rules.is_empty());
            let names = ["disk".to_owned()];
            SideRules::of(&rules, &|text| Filter::parse(text, &names)).unwrap();
            for rule in rules {
                assert!(rule.name.starts_with(preset.name), "{}", rule.name);
                assert_eq!(rule.at.as_deref(), Some("a.toml:3"));
            }
        }
        assert_eq!(Preset::named("ext4"), None);
    }
}
