//! Whether a preset masks all in which two data differ.
//!
//! A request and its data on both sides in, a preset out. Invariant: with that preset the two would be the same.

use bytes::Bytes;

use super::as_row::as_row;
use super::compared::Compared;
use super::error::DiffError;
use super::ignore::{Left, SideRules};
use super::preset::{PRESETS, Preset};
use crate::event::Payload;
use crate::query::Filter;

/// All presets, understood.
#[derive(Debug)]
pub(super) struct Presets {
    all: Vec<(&'static Preset, SideRules)>,
}

impl Presets {
    pub(super) fn new() -> Presets {
        let understood = |preset: &'static Preset| {
            let rules = preset.rules(None).ok()?;
            let rules = SideRules::of(&rules, &|text| Filter::anywhere(text)).ok()?;
            Some((preset, rules))
        };
        Presets { all: PRESETS.iter().filter_map(understood).collect() }
    }

    /// The first preset that leaves the same of both data.
    pub(super) fn masking(
        &self,
        request: &Compared,
        data: &Bytes,
        others: &Bytes,
    ) -> Result<Option<&'static Preset>, DiffError> {
        for (preset, rules) in &self.all {
            let left = |data: &Bytes| {
                let row = as_row(request, data);
                rules.judge(&row, &|_| Ok(Some(data.clone()))).map(|left| match left {
                    Left::In { payload: Payload::Stored(digest, _), .. } => Payload::Digest(digest),
                    Left::In { payload, .. } => payload,
                    Left::Out => Payload::Absent,
                })
            };
            if left(data)? == left(others)? {
                return Ok(Some(preset));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::tests::{VecSide, write_data};

    #[test]
    fn a_preset_is_named_only_if_it_masks_all_that_differs() {
        let superblock = |time: u8, label: u8| {
            let mut data = vec![0; 4096];
            data[1024 + 0x38..1024 + 0x3a].copy_from_slice(&[0x53, 0xef]);
            data[1024 + 0x4c] = 1;
            data[1024 + 0x30] = time;
            data[1024 + 0x78] = label;
            data
        };
        let presets = Presets::new();
        let masking = |one: Vec<u8>, other: Vec<u8>| {
            let request = VecSide::new([write_data(0, one.clone())]).all()[0];
            let found = presets.masking(&request, &one.into(), &other.into()).unwrap();
            found.map(|preset| preset.name)
        };
        assert_eq!(masking(superblock(1, 0), superblock(2, 0)), Some("ext4-times"));
        assert_eq!(masking(superblock(1, 0), superblock(2, 1)), None);
        assert_eq!(masking(vec![1; 4096], vec![2; 4096]), None);
    }
}
