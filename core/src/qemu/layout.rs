//! The layouts that QEMU logs were ever written in: a version or a label comes in, tables of numbers go out.
//!
//! The number of an event is its place in an enum that other enums are part of, so it moves whenever one of them
//! grows, and QEMU did not always raise the version then (`replay/replay-internal.h`, `qapi/run-state.json`). A table
//! is computed from how many members each part had. Invariant: a table has no gap and no kind twice.

use crate::event::{Checkpoint, ClockKind, ShutdownCause};

use super::kind::LogKind;
use super::names::Qcodes;

/// One way in which QEMU logs are written.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// What it is called: the last two digits of the version, and the first QEMU that had it.
    pub label: &'static str,
    /// The version in the header of such a log (QEMU: `REPLAY_VERSION`).
    pub version: u32,
    /// Which QEMU wrote it.
    pub releases: &'static str,
    /// What was new.
    pub change: &'static str,
    /// How many kinds of asynchronous events there are.
    asyncs: usize,
    /// How they say what they are.
    pub(super) nesting: Nesting,
    /// How many numbers are set aside for causes of a shutdown, with the last that is never used; 0: a shutdown
    /// does not say why.
    causes: usize,
    /// How many kinds there are about character devices, but for asynchronous ones.
    chars: usize,
    /// How many about sound.
    sounds: usize,
    /// How many about random bytes.
    randoms: usize,
    /// How many checkpoints.
    checkpoints: usize,
    /// How sound is counted.
    pub(super) audio: Audio,
    /// How keys are named.
    pub(super) keys: Keys,
    /// Which list of keys the numbers of keys are from.
    pub(super) qcodes: Qcodes,
    /// Which of several layouts is taken that fit alike: the lowest.
    pub(super) rank: u8,
}

/// How an asynchronous event says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nesting {
    /// One number for all; then a byte for the checkpoint at which it was written, and one for its kind.
    Checkpoint,
    /// One number for all; then a byte for its kind (60618e2d77).
    Kind,
    /// Each kind has its number (3e21408b05).
    Flat,
}

/// How wide numbers about sound are, and which there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audio {
    /// 32 bits.
    Narrow,
    /// 64 bits (7520462bc1).
    Wide,
    /// 64 bits, and where in its ring the sound lies is not said.
    Unplaced,
}

/// How keys are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// By number or by QEMU's `QKeyCode`; a number says which.
    Qcode,
    /// By the codes of Linux' input layer, always.
    Linux,
}

/// The first layout of all, which later ones differ from.
const FIRST: Layout = Layout {
    label: "02/v2.5",
    version: 0x00e0_2002,
    releases: "2.5",
    change: "the first",
    asyncs: 3,
    nesting: Nesting::Checkpoint,
    causes: 0,
    chars: 0,
    sounds: 0,
    randoms: 0,
    checkpoints: 8,
    audio: Audio::Narrow,
    keys: Keys::Qcode,
    qcodes: Qcodes::First,
    rank: 10,
};

const CHARS: Layout = Layout {
    label: "03/dev",
    version: 0x00e0_2003,
    releases: "none; a development tree before 2.6",
    change: "character devices",
    asyncs: 4,
    chars: 3,
    rank: 17,
    ..FIRST
};

const BLOCKS: Layout = Layout {
    label: "04/v2.6",
    version: 0x00e0_2004,
    releases: "2.6 to 2.8",
    change: "disks (blkreplay); the checkpoint of the clock warp became two",
    asyncs: 5,
    checkpoints: 9,
    rank: 9,
    ..CHARS
};

const NETS: Layout = Layout {
    label: "05/dev20",
    version: 0x00e0_2005,
    releases: "none; a development tree before 2.9",
    change: "networks",
    asyncs: 6,
    rank: 16,
    ..BLOCKS
};

const SOUNDS: Layout = Layout {
    label: "05/dev22",
    change: "sound, under the same version",
    sounds: 2,
    rank: 15,
    ..NETS
};

const SOUNDS_BUMPED: Layout = Layout {
    label: "06/v2.9",
    version: 0x00e0_2006,
    releases: "2.9",
    change: "the version that was due before",
    qcodes: Qcodes::Japanese,
    rank: 8,
    ..SOUNDS
};

const CAUSES: Layout = Layout {
    label: "06/v2.10",
    releases: "2.10, 2.11",
    change: "a shutdown says why, under the same version",
    causes: 9,
    qcodes: Qcodes::Media,
    rank: 7,
    ..SOUNDS_BUMPED
};

const CAUSES_BUMPED: Layout = Layout {
    label: "07/v2.12",
    version: 0x00e0_2007,
    releases: "2.12",
    change: "the version that was due before",
    qcodes: Qcodes::Last,
    rank: 6,
    ..CAUSES
};

const SUBSYSTEM: Layout = Layout {
    label: "07/v3.0",
    releases: "3.0, 3.1",
    change: "the shutdown cause SUBSYSTEM_RESET, under the same version",
    causes: 10,
    rank: 5,
    ..CAUSES_BUMPED
};

const QMP: Layout = Layout {
    label: "07/v4.0",
    releases: "4.0, 4.1",
    change: "the shutdown cause HOST_QMP became two, under the same version",
    causes: 11,
    rank: 4,
    ..SUBSYSTEM
};

const WIDE: Layout = Layout {
    label: "08/v4.2",
    version: 0x00e0_2008,
    releases: "4.2",
    change: "wide numbers for sound; bottom halves that nobody keeps",
    asyncs: 7,
    audio: Audio::Wide,
    rank: 11,
    ..QMP
};

const RANDOM: Layout = Layout {
    label: "09/v5.0",
    version: 0x00e0_2009,
    releases: "5.0",
    change: "random bytes",
    randoms: 1,
    rank: 12,
    ..WIDE
};

const TIMERS: Layout = Layout {
    label: "0a/v5.1",
    version: 0x00e0_200a,
    releases: "5.1 to 7.0",
    change: "a checkpoint for each timer of the virtual clock: the same bytes mean something else",
    rank: 1,
    ..RANDOM
};

const BARE: Layout = Layout {
    label: "0b/dev",
    version: 0x00e0_200b,
    releases: "none; a development tree before 7.1",
    change: "asynchronous events do not say their checkpoint: they are written before CLOCK_WARP_ACCOUNT only",
    nesting: Nesting::Kind,
    rank: 14,
    ..TIMERS
};

const FLAT: Layout = Layout {
    label: "0c/v7.1",
    version: 0x00e0_200c,
    releases: "7.1",
    change: "each kind of asynchronous event has a number of its own",
    nesting: Nesting::Flat,
    rank: 3,
    ..BARE
};

const SNAPSHOTS: Layout = Layout {
    label: "0c/v8.0",
    releases: "7.2 to 10.2",
    change: "the shutdown cause SNAPSHOT_LOAD, under the same version; fingers on a screen since 8.1",
    causes: 12,
    rank: 0,
    ..FLAT
};

const UNPLACED: Layout = Layout {
    label: "0d/v11",
    version: 0x00e0_200d,
    releases: "none that is known; between 10.2 and 11.1",
    change: "recorded sound does not say where in its ring it lies",
    audio: Audio::Unplaced,
    rank: 13,
    ..SNAPSHOTS
};

const LINUX_KEYS: Layout = Layout {
    label: "0e/v11.1",
    version: 0x00e0_200e,
    releases: "11.1",
    change: "keys are named as Linux does",
    keys: Keys::Linux,
    rank: 2,
    ..UNPLACED
};

/// All layouts, oldest first.
pub static LAYOUTS: [Layout; 18] = [
    FIRST,
    CHARS,
    BLOCKS,
    NETS,
    SOUNDS,
    SOUNDS_BUMPED,
    CAUSES,
    CAUSES_BUMPED,
    SUBSYSTEM,
    QMP,
    WIDE,
    RANDOM,
    TIMERS,
    BARE,
    FLAT,
    SNAPSHOTS,
    UNPLACED,
    LINUX_KEYS,
];

impl Layout {
    /// The layout with this label.
    pub fn named(label: &str) -> Option<&'static Layout> {
        LAYOUTS.iter().find(|layout| layout.label == label)
    }

    /// The layouts that are written under a version, oldest first.
    pub fn of_version(version: u32) -> impl Iterator<Item = &'static Layout> {
        LAYOUTS.iter().filter(move |layout| layout.version == version)
    }

    /// The kinds of events; the place in the list is the number in the log.
    pub fn events(&self) -> Vec<LogKind> {
        let mut kinds = vec![LogKind::Instruction, LogKind::Interrupt, LogKind::Exception];
        match self.nesting {
            Nesting::Checkpoint | Nesting::Kind => kinds.push(LogKind::Async),
            Nesting::Flat => kinds.extend(self.async_kinds()),
        }
        kinds.extend(self.shutdowns());
        let chars = [LogKind::CharWrite, LogKind::CharReadAll, LogKind::CharReadAllError];
        kinds.extend(&chars[..self.chars]);
        kinds.extend(&[LogKind::AudioOut, LogKind::AudioIn][..self.sounds]);
        kinds.extend(&[LogKind::Random][..self.randoms]);
        kinds.extend([ClockKind::Host, ClockKind::VirtualRt].map(LogKind::Clock));
        kinds.extend(self.checkpoint_kinds());
        kinds.push(LogKind::End);
        kinds
    }

    /// Whether what a checkpoint releases lies behind it in a log: each such event says its checkpoint, up to version 0xe0200a.
    /// Later logs have it before.
    pub fn releases_behind(&self) -> bool {
        self.nesting == Nesting::Checkpoint
    }

    /// The kinds of asynchronous events; the place in the list is the number in the byte that says it, or how far it
    /// is behind the first.
    pub fn async_kinds(&self) -> Vec<LogKind> {
        use LogKind::{Bh, BhOneshot, Block, CharRead, Input, InputSync, Net};
        let mut kinds = vec![Bh, BhOneshot, Input, InputSync, CharRead, Block, Net];
        if self.asyncs < kinds.len() {
            // It came last, and was put in second (e4ec5ad464).
            kinds.remove(1);
        }
        kinds.truncate(self.asyncs);
        kinds
    }

    fn shutdowns(&self) -> Vec<LogKind> {
        use ShutdownCause as Cause;
        if self.causes == 0 {
            return vec![LogKind::ShutdownUnsaid];
        }
        let mut causes = vec![Cause::None, Cause::HostError];
        if self.causes < QMP.causes {
            causes.push(Cause::HostQmp);
        } else {
            causes.extend([Cause::HostQmpQuit, Cause::HostQmpSystemReset]);
        }
        causes.extend([Cause::HostSignal, Cause::HostUi]);
        causes.extend([Cause::GuestShutdown, Cause::GuestReset, Cause::GuestPanic]);
        causes.extend([Cause::SubsystemReset, Cause::SnapshotLoad]);
        causes.truncate(self.causes - 1);
        causes.into_iter().map(LogKind::Shutdown).chain([LogKind::ShutdownMax]).collect()
    }

    /// The kinds of checkpoints; the place in the list is their number (QEMU: `ReplayCheckpoint`).
    pub fn checkpoint_kinds(&self) -> Vec<LogKind> {
        let of_qemu = Checkpoint::NAMES[1..].iter().map(|(named, _)| LogKind::Checkpoint(*named));
        if self.checkpoints == FIRST.checkpoints {
            std::iter::once(LogKind::ClockWarp).chain(of_qemu.skip(2)).collect()
        } else {
            of_qemu.collect()
        }
    }
}
