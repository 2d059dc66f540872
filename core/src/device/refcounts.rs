//! Looks at a qcow2 file before it is written to: are its own tables counted as used?
//!
//! A file comes in, a verdict goes out, nothing is changed. imago believes the counts, so in a damaged file
//! it would give out clusters that hold tables, or the header itself, and then recurse without end. Not
//! looked at: data clusters (`qemu-img check` does that). Invariant: memory is one small buffer; what the
//! header claims is checked before it is believed.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;

/// Largest tables that QEMU and imago open, in entries.
const L1_ENTRIES_MAX: u64 = (32 << 20) / 8;
const REFCOUNT_TABLE_ENTRIES_MAX: u64 = (8 << 20) / 8;

/// The bits of a table entry that are an offset in the file.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

/// Why a file must not be written to.
#[derive(Debug, thiserror::Error)]
pub enum RefcountError {
    /// A cluster that holds a table is counted as free.
    #[error("its {table} at byte {offset} is not counted as used")]
    NotCounted {
        /// What lies there.
        table: &'static str,
        /// Where in the file.
        offset: u64,
    },
    /// A field of the header is beyond what anybody opens.
    #[error("its header gives {found} for {field}, which lies between {least} and {limit}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// What it says.
        found: u64,
        /// What it says at least.
        least: u64,
        /// What it says at most.
        limit: u64,
    },
    /// The file could not be read.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
}

/// Checks that the header and every table of the qcow2 image in `file` are counted as used.
pub(super) fn check(file: &fs::File) -> Result<(), RefcountError> {
    let tables = Tables::read(file)?;
    tables.check_range("header", 0, 1)?;
    tables.check_range("refcount table", tables.refcount_offset, tables.refcount_entries * 8)?;
    tables.check_range("L1 table", tables.l1_offset, tables.l1_entries * 8)?;
    let refcounts = (tables.refcount_offset, tables.refcount_entries);
    tables.check_pointed_to("refcount block", refcounts)?;
    tables.check_pointed_to("L2 table", (tables.l1_offset, tables.l1_entries))
}

/// Where the tables lie, as the header says. Offsets in bytes.
struct Tables<'a> {
    file: &'a fs::File,
    cluster: u64,
    /// Bits in one count.
    refcount_bits: u64,
    refcount_offset: u64,
    refcount_entries: u64,
    l1_offset: u64,
    l1_entries: u64,
}

impl Tables<'_> {
    fn read(file: &fs::File) -> Result<Tables<'_>, RefcountError> {
        let cluster_bits = u64::from(number_32(file, 20)?);
        check_limit("cluster_bits", cluster_bits, 9..=21)?;
        // Version 2 has counts of 16 bits, and no field for that.
        let refcount_order =
            if number_32(file, 4)? >= 3 { u64::from(number_32(file, 96)?) } else { 4 };
        check_limit("refcount_order", refcount_order, 0..=6)?;
        let l1_entries = u64::from(number_32(file, 36)?);
        check_limit("l1_size", l1_entries, 0..=L1_ENTRIES_MAX)?;
        let cluster = 1 << cluster_bits;
        let refcount_entries = u64::from(number_32(file, 56)?) * cluster / 8;
        check_limit(
            "the refcount table's entries",
            refcount_entries,
            0..=REFCOUNT_TABLE_ENTRIES_MAX,
        )?;
        Ok(Tables {
            file,
            cluster,
            refcount_bits: 1 << refcount_order,
            refcount_offset: number_64(file, 48)?,
            refcount_entries,
            l1_offset: number_64(file, 40)?,
            l1_entries,
        })
    }

    /// Checks every cluster that has a byte of the range.
    fn check_range(
        &self,
        table: &'static str,
        offset: u64,
        length: u64,
    ) -> Result<(), RefcountError> {
        for cluster in offset / self.cluster..offset.saturating_add(length).div_ceil(self.cluster) {
            if !self.is_counted(cluster)? {
                return Err(RefcountError::NotCounted { table, offset: cluster * self.cluster });
            }
        }
        Ok(())
    }

    /// Checks every cluster that an entry of a table (its offset, and how many) points to.
    fn check_pointed_to(
        &self,
        table: &'static str,
        (offset, entries): (u64, u64),
    ) -> Result<(), RefcountError> {
        let mut piece = [0; 4096];
        for start in (0..entries * 8).step_by(piece.len()) {
            fill(self.file, offset.saturating_add(start), &mut piece)?;
            let count = (entries * 8 - start) / 8;
            for entry in piece.as_chunks().0.iter().take(count.try_into().unwrap_or(usize::MAX)) {
                let pointed_to = u64::from_be_bytes(*entry) & OFFSET_MASK;
                if pointed_to != 0 {
                    self.check_range(table, pointed_to, 1)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the count of a cluster is not zero.
    fn is_counted(&self, cluster: u64) -> Result<bool, RefcountError> {
        let per_block = self.cluster * 8 / self.refcount_bits;
        let entry = cluster / per_block;
        if entry >= self.refcount_entries {
            return Ok(false);
        }
        let entry = self.refcount_offset.saturating_add(entry * 8);
        let block = number_64(self.file, entry)? & OFFSET_MASK;
        if block == 0 {
            return Ok(false);
        }
        let first_bit = cluster % per_block * self.refcount_bits;
        let mut count = [0; 8];
        let bytes = self.refcount_bits.div_ceil(8);
        let count = &mut count[..usize::try_from(bytes).unwrap_or(8)];
        fill(self.file, block + first_bit / 8, count)?;
        if self.refcount_bits < 8 {
            // The first of several counts in a byte has its lowest bits.
            count[0] = (count[0] >> (first_bit % 8)) & ((1 << self.refcount_bits) - 1);
        }
        Ok(count.iter().any(|byte| *byte != 0))
    }
}

fn check_limit(
    field: &'static str,
    found: u64,
    limits: RangeInclusive<u64>,
) -> Result<(), RefcountError> {
    let (&least, &limit) = (limits.start(), limits.end());
    match found {
        _ if limits.contains(&found) => Ok(()),
        _ => Err(RefcountError::OutOfRange { field, found, least, limit }),
    }
}

fn number_32(file: &fs::File, offset: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    fill(file, offset, &mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn number_64(file: &fs::File, offset: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    fill(file, offset, &mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

/// Fills `buffer`; what lies beyond the end of the file, or of all files, is zero, as for QEMU and imago.
fn fill(file: &fs::File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let at = offset.saturating_add(filled as u64);
        if i64::try_from(at).is_err() {
            break;
        }
        match file.read_at(&mut buffer[filled..], at) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer[filled..].fill(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::contract::make_qcow2;

    fn image() -> (tempfile::TempDir, fs::File) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.qcow2");
        make_qcow2(&path, 1 << 30);
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        (directory, file)
    }

    #[test]
    fn a_whole_image_is_fit_to_be_written() {
        check(&image().1).unwrap();
    }

    #[test]
    fn a_table_that_is_counted_as_free_is_named() {
        let (_directory, file) = image();
        let refcount_table = number_64(&file, 48).unwrap();
        let block = number_64(&file, refcount_table).unwrap();
        let l1 = number_64(&file, 40).unwrap();
        for (offset, table) in [(0, "header"), (refcount_table, "refcount table"), (l1, "L1 table")]
        {
            let place = block + offset / 65_536 * 2;
            let mut count = [0; 2];
            file.read_exact_at(&mut count, place).unwrap();
            file.write_all_at(&[0; 2], place).unwrap();
            assert_eq!(
                check(&file).unwrap_err().to_string(),
                format!("its {table} at byte {offset} is not counted as used")
            );
            file.write_all_at(&count, place).unwrap();
        }
        file.write_all_at(&[0; 8], refcount_table).unwrap();
        let error = check(&file).unwrap_err();
        assert_eq!(error.to_string(), "its header at byte 0 is not counted as used");
    }

    #[test]
    fn a_header_that_claims_too_much_is_not_believed() {
        for (offset, claim) in [(20, "cluster_bits"), (36, "l1_size"), (56, "refcount table")] {
            let (_directory, file) = image();
            file.write_all_at(&[0x7f; 4], offset).unwrap();
            let text = check(&file).unwrap_err().to_string();
            assert!(text.contains(claim) && text.contains("which lies between"), "{text}");
        }
    }
}
