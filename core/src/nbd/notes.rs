//! What a session keeps in mind of each request in flight: a note goes in, a tag comes out, and the note comes back
//! for the tag.
//!
//! It knows no requests. Invariant: a tag is given again only after its note was taken.

use crate::nbd::transmission::Subject;

/// What a reply needs that the engine does not hand back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    /// Whom the reply is for.
    pub(super) subject: Subject,
    /// What the request holds of the connection's allowance, in bytes.
    pub(super) cost: u64,
}

/// The notes of all requests in flight.
#[derive(Debug, Default)]
pub(super) struct Notes {
    slots: Vec<Option<Note>>,
    free: Vec<usize>,
}

impl Notes {
    /// Keeps `note`, for a tag.
    pub(super) fn keep(&mut self, note: Note) -> u64 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(note);
        slot as u64
    }

    /// Gives the note back that was kept for `tag`.
    ///
    /// # Panics
    ///
    /// If none is kept: a request was answered twice.
    pub(super) fn take(&mut self, tag: u64) -> Note {
        let slot = usize::try_from(tag).ok().filter(|slot| *slot < self.slots.len());
        let note = slot.and_then(|slot| {
            self.free.push(slot);
            self.slots[slot].take()
        });
        note.expect("a request is answered once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(cookie: u64) -> Note {
        Note { subject: Subject { cookie, offset: 4096 }, cost: 64 }
    }

    #[test]
    fn a_note_comes_back_for_its_tag_in_any_order_and_its_place_is_used_again() {
        let mut notes = Notes::default();
        let tags: Vec<u64> = (0..3).map(|cookie| notes.keep(note(cookie))).collect();
        assert_eq!(notes.take(tags[1]), note(1));
        assert_eq!(notes.keep(note(3)), tags[1]);
        for (tag, cookie) in [(tags[2], 2), (tags[1], 3), (tags[0], 0)] {
            assert_eq!(notes.take(tag), note(cookie));
        }
        assert_eq!(notes.slots.len(), 3);
    }

    #[test]
    #[should_panic(expected = "a request is answered once")]
    fn a_second_answer_is_a_bug_that_shouts() {
        let mut notes = Notes::default();
        let tag = notes.keep(note(0));
        notes.take(tag);
        notes.take(tag);
    }
}
