//! What lies where in a body by column: bytes in, a slice a column out, and back.
//!
//! Knows no numbers. Invariant: the columns add up to the body, each is there once at most, and in order.

use super::super::decode::DecodeError;
use super::super::varint::{Source, put};
use super::planes::{self, Layout};
use super::{Column, Relative, SKIPPABLE};

/// A column that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: usize,
    length: usize,
    layout: Layout,
    relative: Relative,
}

/// The columns of a body.
#[derive(Debug, Clone)]
pub(in crate::format) struct Directory {
    places: [Option<Place>; Column::NAMES.len()],
    /// Bytes of the list itself.
    length: usize,
    /// Bytes of the list and all columns.
    body: usize,
}

/// Gathers the columns of a body.
#[derive(Debug, Default)]
pub(super) struct Layer {
    entries: Vec<u8>,
    count: u64,
    columns: Vec<u8>,
}

impl Layer {
    /// Appends `column`, unless it is what a reader takes one for that is not there. Columns come in the order of their numbers.
    pub(super) fn put(&mut self, column: Column, layout: Layout, relative: Relative, bytes: &[u8]) {
        if bytes.is_empty() && relative == Relative::Plain {
            return;
        }
        self.count += 1;
        self.entries.push(column as u8);
        self.entries.push(layout as u8 | (relative as u8) << 4);
        put(&mut self.entries, bytes.len() as u64);
        self.columns.extend_from_slice(bytes);
    }

    /// The body.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.columns.len() + self.entries.len() + 2);
        put(&mut body, self.count);
        body.extend(self.entries);
        body.extend(self.columns);
        body
    }
}

impl Directory {
    /// Reads the list at the start of `body`, which may be cut behind it. `body_len` is the length of the whole.
    pub(in crate::format) fn read(body: &[u8], body_len: usize) -> Result<Directory, DecodeError> {
        let mut source = Source::new(body, 0);
        let count = source.number()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let [number, bits] = source.array()?;
            entries.push((number, bits, source.number()?));
        }
        let length = source.at();
        let (mut places, mut start, mut before) = ([None; Column::NAMES.len()], length, 0);
        for (number, bits, bytes) in entries {
            let refused =
                |what, found: u8| DecodeError::Value { at: length, what, found: found.into() };
            if number <= before {
                return Err(refused("a column out of order", number));
            }
            before = number;
            let left = body_len.saturating_sub(start);
            let bytes = usize::try_from(bytes)
                .ok()
                .filter(|bytes| *bytes <= left)
                .ok_or(super::super::SourceError::Short { at: start, wanted: bytes, left })?;
            if let Some(column) = Column::from_number(number) {
                let layout = Layout::from_number(bits & 15);
                let layout = layout.ok_or_else(|| refused("the layout of a column", bits))?;
                let relative = Relative::from_number(bits >> 4);
                let relative = relative.ok_or_else(|| refused("the layout of a column", bits))?;
                let place = Place { start, length: bytes, layout, relative };
                places[column as usize - 1] = Some(place);
            } else if number < SKIPPABLE {
                return Err(refused("a column", number));
            }
            start += bytes;
        }
        if start != body_len {
            return Err(DecodeError::Trailing { at: start, left: body_len - start });
        }
        Ok(Directory { places, length, body: start })
    }

    /// The bytes of `column` in `body`; empty if it is not there.
    pub(in crate::format) fn bytes<'body>(&self, column: Column, body: &'body [u8]) -> &'body [u8] {
        self.places[column as usize - 1]
            .and_then(|place| body.get(place.start..place.start + place.length))
            .unwrap_or_default()
    }

    /// The `count` numbers of `column` in `body`.
    pub(super) fn numbers(
        &self,
        column: Column,
        body: &[u8],
        count: usize,
    ) -> Result<Vec<u64>, DecodeError> {
        let layout = self.places[column as usize - 1].map_or(Layout::Dense, |place| place.layout);
        planes::numbers(column, layout, self.bytes(column, body), count)
    }

    /// What the numbers of `column` are relative to.
    pub(super) fn relative(&self, column: Column) -> Relative {
        self.places[column as usize - 1].map_or(Relative::Plain, |place| place.relative)
    }

    /// Bytes of the list, then of each column that is there.
    pub(in crate::format) fn lengths(&self) -> (usize, Vec<(Column, usize)>) {
        let columns = Column::NAMES.iter().zip(&self.places);
        let there = columns.filter_map(|((column, _), place)| Some((*column, (*place)?.length)));
        (self.length, there.collect())
    }

    /// Where `column` begins, or would: all columns before it end there.
    pub(in crate::format) fn start(&self, column: Column) -> usize {
        let behind = self.places[column as usize - 1..].iter().flatten();
        behind.map(|place| place.start).next().unwrap_or(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Vec<u8> {
        let mut layer = Layer::default();
        layer.put(Column::Runs, Layout::Dense, Relative::Plain, &[1, 2]);
        layer.put(Column::IssueTime, Layout::Dense, Relative::Plain, &[]);
        layer.put(Column::IssueOffset, Layout::Sparse, Relative::Route, &[1, 9]);
        layer.finish()
    }

    #[test]
    fn columns_are_found_where_they_lie() {
        let body = body();
        assert_eq!(body, [2, 1, 0, 2, 8, 0x21, 2, 1, 2, 1, 9]);
        let directory = Directory::read(&body, body.len()).unwrap();
        assert_eq!(directory.bytes(Column::Runs, &body), [1, 2]);
        assert!(directory.bytes(Column::IssueTime, &body).is_empty());
        assert_eq!(directory.numbers(Column::IssueOffset, &body, 2), Ok(vec![9, 0]));
        assert_eq!(directory.numbers(Column::IssueLength, &body, 2), Ok(vec![0, 0]));
        assert_eq!(directory.relative(Column::IssueOffset), Relative::Route);
        assert_eq!(directory.lengths(), (7, vec![(Column::Runs, 2), (Column::IssueOffset, 2)]));
        assert_eq!(directory.start(Column::IssueTime), 9);
        assert_eq!(directory.start(Column::Digests), 11);
    }

    #[test]
    fn a_list_that_does_not_fit_its_body_is_refused() {
        let body = body();
        for length in 0..body.len() {
            assert!(Directory::read(&body[..length], length).is_err(), "{length} bytes");
        }
        for wrong in [
            &[2, 1, 0, 0, 1, 0, 0][..],
            &[2, 2, 0, 0, 1, 0, 0],
            &[1, 26, 0, 0],
            &[1, 0, 0, 0],
            &[1, 1, 2, 0],
            &[1, 1, 0x30, 0],
            &[0, 7],
            &[1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert!(Directory::read(wrong, wrong.len()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_column_of_a_later_version_is_skipped_if_it_says_so() {
        let body = [2, 1, 0, 1, 0x80, 0xff, 2, 4, 7, 7];
        let directory = Directory::read(&body, body.len()).unwrap();
        assert_eq!(directory.bytes(Column::Runs, &body), [4]);
        assert_eq!(directory.lengths().1.len(), 1);
    }
}
