//! The numbers of one layout, as tables to look up while decoding and encoding.
//!
//! A layout comes in; what a number means and what number a kind has goes out. Invariant: a number that the layout
//! has no kind for, and the one that QEMU keeps free, mean nothing.

use crate::event::Checkpoint;

use super::kind::LogKind;
use super::layout::{Layout, Nesting};

/// The most numbers that a layout has for events.
pub(super) const CODES_MAX: usize = 64;

/// The most numbers for what an asynchronous event is.
pub(super) const ASYNCS_MAX: usize = 8;

/// How long an event is as far as its number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// So many bytes, the number among them.
    Fixed(u8),
    /// It has to be looked at.
    Looked,
}

/// The numbers of one layout.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    pub(super) layout: &'static Layout,
    kinds: [Option<LogKind>; CODES_MAX],
    asyncs: [Option<LogKind>; ASYNCS_MAX],
}

impl Codes {
    pub(super) fn of(layout: &'static Layout) -> Codes {
        let mut codes = Codes { layout, kinds: [None; CODES_MAX], asyncs: [None; ASYNCS_MAX] };
        for (place, kind) in layout.events().into_iter().enumerate() {
            codes.kinds[place] = (kind != LogKind::ShutdownMax).then_some(kind);
        }
        for (place, kind) in layout.async_kinds().into_iter().enumerate() {
            codes.asyncs[place] = Some(kind);
        }
        codes
    }

    /// The kind of the event with this number.
    pub(super) fn kind(&self, code: u8) -> Option<LogKind> {
        self.kinds.get(usize::from(code)).copied().flatten()
    }

    /// The kind of the asynchronous event with this number in the byte that says it.
    pub(super) fn async_kind(&self, code: u8) -> Option<LogKind> {
        self.asyncs.get(usize::from(code)).copied().flatten()
    }

    /// The number of a kind of event.
    pub(super) fn code(&self, kind: LogKind) -> Option<u8> {
        place(&self.kinds, kind)
    }

    /// The number of a kind of asynchronous event in the byte that says it.
    pub(super) fn async_code(&self, kind: LogKind) -> Option<u8> {
        place(&self.asyncs, kind)
    }

    /// Whether asynchronous events are told apart by a byte of their own.
    pub(super) fn nests(&self) -> bool {
        self.layout.nesting != Nesting::Flat
    }

    /// The checkpoint with this number in an asynchronous event (QEMU: `ReplayCheckpoint`).
    pub(super) fn checkpoint(&self, number: u8) -> Option<Checkpoint> {
        match self.layout.checkpoint_kinds().get(usize::from(number))? {
            LogKind::Checkpoint(checkpoint) => Some(*checkpoint),
            _ => Some(Checkpoint::ClockWarpStart),
        }
    }

    /// The number of a checkpoint in an asynchronous event.
    pub(super) fn checkpoint_number(&self, checkpoint: Checkpoint) -> Option<u8> {
        (0..16).find(|number| self.checkpoint(*number) == Some(checkpoint))
    }

    /// How long an event with this number is.
    pub(super) fn size(&self, code: u8) -> Size {
        use LogKind::{
            Bh, BhOneshot, CharReadAllError, CharWrite, Checkpoint, Clock, ClockWarp, Exception,
            InputSync, Instruction, Interrupt, Shutdown, ShutdownUnsaid,
        };
        match self.kind(code) {
            Some(Instruction | CharReadAllError) => Size::Fixed(5),
            Some(
                Interrupt | Exception | InputSync | ShutdownUnsaid | Shutdown(_) | Checkpoint(_)
                | ClockWarp,
            ) => Size::Fixed(1),
            Some(Bh | BhOneshot | CharWrite | Clock(_)) => Size::Fixed(9),
            _ => Size::Looked,
        }
    }
}

fn place(kinds: &[Option<LogKind>], kind: LogKind) -> Option<u8> {
    let place = kinds.iter().position(|known| *known == Some(kind))?;
    u8::try_from(place).ok()
}
