//! Structures in data that are well known: partition tables and superblocks. Data and where they lie on the disk in, names and fields out.
//!
//! Knows nothing of requests. Invariants: a structure is told by its magic number, where it may lie; no byte beyond the data is asked.

mod fields;

use std::fmt::Write as _;

use fields::{Field, Form, STRUCTURES, Structure};

/// Structures that are named of one request.
const NAMED_MAX: usize = 16;

/// Where structures begin.
const STEP: usize = 512;

/// A structure in data.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    structure: &'static Structure,
    /// Its first byte in the data.
    pub at: usize,
}

/// The structures in data that lie at an offset of the disk, in their order; no more than a few.
pub fn named(data: &[u8], offset: u64) -> Vec<Named> {
    let begins = (STEP as u64 - offset % STEP as u64) % STEP as u64;
    let Ok(begins) = usize::try_from(begins) else { return Vec::new() };
    let mut found = Vec::new();
    for at in (begins..data.len()).step_by(STEP) {
        let here = &data[at..];
        let lies = |structure: &&Structure| structure.is(here, offset + at as u64);
        if let Some(structure) = STRUCTURES.iter().find(lies) {
            found.push(Named { structure, at });
            if found.len() == NAMED_MAX {
                break;
            }
        }
    }
    found
}

impl Structure {
    /// Whether it is what begins here, at an offset of the disk.
    fn is(&self, here: &[u8], offset: u64) -> bool {
        let (at, magic) = self.magic;
        offset.is_multiple_of(self.step)
            && (!self.is_first || offset == 0)
            && here.len() >= self.size
            && here[at..].starts_with(magic)
    }
}

impl Named {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.structure.name
    }

    /// Its fields that say something, with what they say.
    pub fn fields(&self, data: &[u8]) -> Vec<String> {
        let here = &data[self.at..];
        let said =
            |field: &Field| Some(format!("{} {}", field.name, field.form.text(field.of(here)?)?));
        self.structure.fields.iter().filter_map(said).collect()
    }

    /// The names of fields that have other bytes in other data at the same place. `None` if those are another structure, or end
    /// within it and are the same up to there.
    pub fn differing(&self, data: &[u8], other: &[u8]) -> Option<Vec<&'static str>> {
        let (here, there) = (data.get(self.at..)?, other.get(self.at..)?);
        let (at, magic) = self.structure.magic;
        if !there.get(at..)?.starts_with(magic) {
            return None;
        }
        // Of a field that the others do not reach it is not known.
        let differs =
            |field: &&Field| field.of(there).is_some_and(|bytes| field.of(here) != Some(bytes));
        let fields = self.structure.fields.iter();
        let differing: Vec<_> = fields.filter(differs).map(|field| field.name).collect();
        let is_whole = there.len() >= self.structure.size;
        (is_whole || !differing.is_empty()).then_some(differing)
    }
}

impl Field {
    fn of<'a>(&self, structure: &'a [u8]) -> Option<&'a [u8]> {
        structure.get(self.at..self.at + self.length)
    }
}

impl Form {
    /// What bytes say; `None` if all are zero.
    fn text(self, bytes: &[u8]) -> Option<String> {
        if bytes.iter().all(|byte| *byte == 0) {
            return None;
        }
        let little = || bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        Some(match self {
            Form::Little => little().to_string(),
            Form::Big => {
                bytes.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte)).to_string()
            }
            Form::Hex => format!("{:#x}", little()),
            Form::Time => {
                let seconds = i64::try_from(little()).ok()?;
                let time = jiff::Timestamp::from_second(seconds).ok()?;
                time.strftime("%Y-%m-%d %H:%M:%S").to_string()
            }
            Form::Text => {
                let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
                let text = text.split('\0').next().unwrap_or_default().trim_end();
                format!("\"{}\"", text.escape_default())
            }
            Form::Uuid => uuid(bytes),
            // The first three groups are little-endian (UEFI 2.10, appendix A).
            Form::Guid => {
                const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
                let ordered: Vec<u8> =
                    ORDER.iter().filter_map(|at| bytes.get(*at).copied()).collect();
                uuid(&ordered)
            }
        })
    }
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        let dash = if [4, 6, 8, 10].contains(&place) { "-" } else { "" };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
        data[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn ext4(data: &mut [u8], at: usize, written: u32) {
        put(data, at + 0x38, &[0x53, 0xef]);
        put(data, at + 0x30, &written.to_le_bytes());
        put(data, at + 0x78, b"root\0");
        put(data, at + 0x3fc, &(!written).to_le_bytes());
    }

    #[test]
    fn superblocks_and_partition_tables_are_found_where_they_may_lie() {
        let mut data = vec![0; 8 << 10];
        put(&mut data, 510, &[0x55, 0xaa]);
        put(&mut data, 0x1be + 4, &[0xee]);
        put(&mut data, 512, b"EFI PART");
        ext4(&mut data, 1024, 1_700_000_000);
        put(&mut data, 4096, b"XFSB");
        // This is where no such superblock lies.
        ext4(&mut data, 2048 + 512, 1);
        let names = |found: Vec<Named>| -> Vec<(&str, usize)> {
            found.iter().map(|one| (one.name(), one.at)).collect()
        };
        let all =
            [("MBR", 0), ("GPT header", 512), ("ext4 superblock", 1024), ("XFS superblock", 4096)];
        assert_eq!(names(named(&data, 0)), all);
        // A boot record is the first of the disk.
        assert_eq!(names(named(&data, 1 << 20)), all[1..]);
        // What begins before is not there, and what is cut is not either.
        assert_eq!(names(named(&data[100..1500], 100)), [("GPT header", 412)]);
        let mut btrfs = vec![0; 4096];
        put(&mut btrfs, 0x40, b"_BHRfS_M");
        assert_eq!(names(named(&btrfs, 64 << 10)), [("btrfs superblock", 0)]);
        assert!(named(&btrfs, 512).is_empty() && named(&[], 0).is_empty());
        let many = b"XFSB".iter().copied().chain([0; 508]).collect::<Vec<u8>>().repeat(100);
        assert_eq!(named(&many, 0).len(), NAMED_MAX);
    }

    #[test]
    fn fields_say_what_they_hold_and_which_of_them_differ() {
        let (mut data, mut other) = (vec![0; 4096], vec![0; 4096]);
        ext4(&mut data, 1024, 1_700_000_000);
        ext4(&mut other, 1024, 1_700_000_001);
        let found = named(&data, 0);
        assert_eq!(
            found[0].fields(&data),
            ["s_wtime 2023-11-14 22:13:20", "s_volume_name \"root\"", "s_checksum 0x9aac0eff"]
        );
        assert_eq!(found[0].differing(&data, &other), Some(vec!["s_wtime", "s_checksum"]));
        assert_eq!(found[0].differing(&data, &data), Some(vec![]));
        assert_eq!(found[0].differing(&data, &[0; 4096]), None);
        assert_eq!(found[0].differing(&data, &[]), None);
        // Of s_checksum, which lies behind their end, nothing is known.
        assert_eq!(found[0].differing(&data, &other[..1024 + 512]), Some(vec!["s_wtime"]));
        assert_eq!(found[0].differing(&data, &data[..1024 + 512]), None);
        assert_eq!(found[0].differing(&data, &data[..2048]), Some(vec![]));
    }

    #[test]
    fn guids_are_written_as_the_standard_has_them() {
        // The type of an EFI system partition.
        let bytes = [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9,
            0x3b,
        ];
        let text = Form::Guid.text(&bytes);
        assert_eq!(text.as_deref(), Some("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"));
    }

    #[test]
    fn every_field_lies_in_its_structure() {
        for structure in &STRUCTURES {
            for field in structure.fields {
                assert!(field.at + field.length <= structure.size, "{}", field.name);
            }
        }
    }
}
