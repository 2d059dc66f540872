//! What is asked of bytes and texts: data of requests, their digests, names.
//!
//! Bytes in, yes or no out. Invariant: nothing is said of what a request does not have, or not so much of.

use std::borrow::Cow;

use super::asked::Asked;
use super::tree::Part;
use crate::event::Payload;
use crate::request::Digest;

/// Bytes that a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Its data, or some of them.
    Data(Part),
    /// The digest of its data, as it is printed.
    Digest,
    /// The digest of some of its data.
    DigestOf(Part),
    /// The name of the last mark before it.
    Note,
}

/// What bytes are to be like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Like {
    Is(Vec<Vec<u8>>),
    Begins(Vec<Vec<u8>>),
    Contains(Vec<u8>),
    Matches(Pattern),
}

/// A regular expression. Two are the same if they were written so.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Text(regex::Regex),
    Bytes(regex::bytes::Regex),
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        match (self, other) {
            (Pattern::Text(one), Pattern::Text(other)) => one.as_str() == other.as_str(),
            (Pattern::Bytes(one), Pattern::Bytes(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Part {
    /// All of something.
    pub(super) const ALL: Part = Part::Between(0, None);

    /// Some of `bytes`; `None` where there are not so many.
    pub(super) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        let place = |place: u64| usize::try_from(place).ok();
        match self {
            Part::One(at) => place(at).and_then(|at| bytes.get(at..at.checked_add(1)?)),
            Part::Between(from, None) => bytes.get(place(from)?..),
            Part::Between(from, Some(to)) => bytes.get(place(from)?..place(to)?),
        }
    }
}

impl Content {
    /// Whether a request has it; data are not got for that.
    pub(super) fn is_there(&self, asked: &Asked<'_>) -> bool {
        match self {
            Content::Data(Part::ALL) => {
                matches!(asked.row.payload, Payload::Zeroes | Payload::Stored(..))
            }
            content => content.of(asked).is_some(),
        }
    }

    /// What a request has of it.
    pub(super) fn of<'a>(&self, asked: &'a Asked<'_>) -> Option<Cow<'a, [u8]>> {
        match self {
            Content::Data(part) => part.of(asked.data()?).map(Cow::Borrowed),
            Content::Digest => match &asked.row.payload {
                Payload::Absent => None,
                payload => Some(Cow::Owned(payload.to_string().into_bytes())),
            },
            Content::DigestOf(part) => {
                let digest = Digest::of(part.of(asked.data()?)?);
                Some(Cow::Owned(digest.to_string().into_bytes()))
            }
            Content::Note => {
                asked.row.context.mark.as_ref().map(|name| Cow::Borrowed(name.as_bytes()))
            }
        }
    }
}

impl Like {
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Like::Is(all) => all.iter().any(|one| one == bytes),
            Like::Begins(all) => all.iter().any(|one| bytes.starts_with(one)),
            Like::Contains(inner) => contains(bytes, inner),
            Like::Matches(Pattern::Bytes(pattern)) => pattern.is_match(bytes),
            Like::Matches(Pattern::Text(pattern)) => {
                str::from_utf8(bytes).is_ok_and(|text| pattern.is_match(text))
            }
        }
    }
}

/// Whether `inner` is somewhere in `bytes`. `inner` is not empty.
fn contains(bytes: &[u8], inner: &[u8]) -> bool {
    memchr::memmem::find(bytes, inner).is_some()
}
