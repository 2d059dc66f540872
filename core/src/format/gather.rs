//! The events of the chunk that is being filled, in rows or by column.
//!
//! Events in, a body out. Knows the two encoders and nothing else of bodies. Invariant: what a reader decodes is what
//! was added.

use super::columns;
use super::decode::UnknownEvent;
use super::encode::{Encoder, Rows};
use super::frame::{ENCODING_COLUMNS, ENCODING_PLAIN};
use super::pack::{LIVE_LEVEL, pack_small};
use crate::event::Event;
use crate::limits::EVENTS_CHUNK_BYTES;

/// How a writer lays out the events of a trace, and how hard it packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// In rows: cheap to write, for one who records.
    #[default]
    Rows,
    /// By column: a third of the size.
    Columns {
        /// The level of zstd, 1 to 22.
        level: i32,
    },
}

impl Layout {
    /// The level at which payloads are packed.
    pub(super) fn level(self) -> i32 {
        match self {
            Layout::Rows => LIVE_LEVEL,
            Layout::Columns { level } => level,
        }
    }

    /// The number of the encoding.
    pub(super) fn encoding(self) -> u8 {
        match self {
            Layout::Rows => ENCODING_PLAIN,
            Layout::Columns { .. } => ENCODING_COLUMNS,
        }
    }

    /// `body` packed, where it is.
    pub(super) fn pack(self, body: &[u8]) -> Option<Vec<u8>> {
        match self {
            Layout::Rows => None,
            Layout::Columns { level } => pack_small(body, level),
        }
    }
}

/// Gathers the events of one chunk.
#[derive(Debug)]
pub(super) enum Gather {
    Rows(Encoder),
    Columns(Box<columns::Encoder>),
}

impl Gather {
    pub(super) fn new(layout: Layout) -> Gather {
        match layout {
            Layout::Rows => Gather::Rows(Encoder::default()),
            Layout::Columns { .. } => Gather::Columns(Box::default()),
        }
    }

    /// Appends `event`. Its time must not be less than that of the event before in this chunk.
    pub(super) fn add(&mut self, event: &Event) {
        match self {
            Gather::Rows(encoder) => encoder.add(event),
            Gather::Columns(encoder) => encoder.add(event),
        }
    }

    /// Appends an event of a kind that is not known, as it was read.
    pub(super) fn add_unknown(&mut self, event: &UnknownEvent) {
        match self {
            Gather::Rows(encoder) => encoder.add_unknown(event),
            Gather::Columns(encoder) => encoder.add_unknown(event),
        }
    }

    /// Whether the chunk is to be closed.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Gather::Rows(encoder) => encoder.len() >= EVENTS_CHUNK_BYTES,
            Gather::Columns(encoder) => encoder.is_full(),
        }
    }

    /// About how many bytes were gathered.
    pub(super) fn len(&self) -> usize {
        match self {
            Gather::Rows(encoder) => encoder.len(),
            Gather::Columns(encoder) => encoder.len(),
        }
    }

    /// Time of the first event; `None` without one.
    pub(super) fn time_first(&self) -> Option<u64> {
        match self {
            Gather::Rows(encoder) => encoder.time_first(),
            Gather::Columns(encoder) => encoder.time_first(),
        }
    }

    /// Takes what was gathered and begins the next chunk.
    pub(super) fn take(&mut self) -> Rows {
        match self {
            Gather::Rows(encoder) => encoder.take(),
            Gather::Columns(encoder) => encoder.take(),
        }
    }
}
