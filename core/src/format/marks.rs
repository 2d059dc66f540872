//! The list of marks in the summary of a chunk, so that one can be found without reading bodies.
//!
//! Marks in, bytes out, and back. Invariant: a list that decodes holds names that an event may have.

use super::decode::{DecodeError, mark_name};
use super::varint::{Source, put};
use crate::event::MarkName;

/// A mark, and its place among the events of its chunk.
pub(super) type Placed = (u64, MarkName);

/// Appends a mark to a list; `after` is the place after that of the mark before.
pub(super) fn encode(list: &mut Vec<u8>, after: u64, place: u64, name: &MarkName) {
    put(list, place - after);
    put(list, name.as_str().len() as u64);
    list.extend(name.as_str().as_bytes());
}

/// Reads a list.
pub(super) fn decode(list: &[u8]) -> Result<Vec<Placed>, DecodeError> {
    let mut marks = Vec::new();
    let mut source = Source::new(list, 0);
    let mut after: u64 = 0;
    while source.left() > 0 {
        let place = after.saturating_add(source.number()?);
        marks.push((place, mark_name(&mut source)?));
        after = place.saturating_add(1);
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_read_back_at_their_places_and_cut_lists_are_refused() {
        let name = |text: &str| text.parse::<MarkName>().unwrap();
        let placed = [(1, name("one")), (2, name("two")), (4, name("one"))];
        let mut list = Vec::new();
        let mut ends = vec![0];
        let mut after = 0;
        for (place, name) in &placed {
            encode(&mut list, after, *place, name);
            after = place + 1;
            ends.push(list.len());
        }
        assert_eq!(decode(&list).unwrap(), placed);
        for end in (0..list.len()).filter(|end| !ends.contains(end)) {
            assert!(decode(&list[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn a_name_that_no_event_may_have_is_refused() {
        assert!(decode(&[0, 0]).is_err(), "empty");
        assert!(decode(&[0, 2, b'a', b'\n']).is_err(), "two lines");
        assert!(decode(&[0, 2, 0xff, 0xff]).is_err(), "no text");
    }
}
