//! What one entry of a trace means. How it is stored is the business of `format`.
//!
//! ```text
//! Event ── time
//!       └─ EventKind ── requests: Issue, Block, with `payload`
//!                    ├─ `checkpoint`: where queued events are released
//!                    ├─ the world of a virtual machine: `input`, `guest`
//!                    └─ notes for people: `connection`, `mark`
//! ```
//!
//! Only what a trace can hold lives here; state of a running engine does not. Invariant: an event says
//! nothing that depends on the process that wrote it (no pointers, no file descriptors), and what it carries
//! is bounded by `limits`.

mod checkpoint;
mod connection;
mod guest;
mod input;
mod mark;
mod payload;

use crate::request::{ConnectionId, DeviceId, Errno, Extent, Operation, Request, RequestId};
use crate::units::Nanos;

pub use checkpoint::Checkpoint;
pub use connection::{Connect, Disconnect};
pub use guest::{AudioIn, ClockKind, EventData, EventDataError, Sample, Samples, ShutdownCause};
pub use input::{Input, Key};
pub use mark::{MarkName, MarkNameError};
pub use payload::{Payload, PayloadId, is_zero};

/// One entry of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, on the recording's clock. Never less than that of the event before.
    pub time: Nanos,
    /// What.
    pub kind: EventKind,
}

/// The kinds of events, with what each carries. The names are those that QEMU uses where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A request arrived.
    Issue(Issue),
    /// Its completion was released to the client (QEMU: `REPLAY_ASYNC_EVENT_BLOCK`).
    Block(Block),
    /// The completion of a request of which a log says nothing else (QEMU: `replay_block_event`).
    BlockId {
        /// The request that is complete. QEMU counts those of all disks in the order in which they came.
        id: RequestId,
    },
    /// Queued events are released from here to the next issue.
    Checkpoint(Checkpoint),
    /// A device was attached.
    Open {
        /// Which.
        device: DeviceId,
    },
    /// The length of a device, said when it is opened.
    Length {
        /// Which.
        device: DeviceId,
        /// In bytes.
        length: u64,
    },
    /// A device was detached.
    Close {
        /// Which.
        device: DeviceId,
    },
    /// A client finished its handshake.
    Connect(Connect),
    /// A client went.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// How.
        reason: Disconnect,
    },
    /// A point that somebody gave a name while it was recorded.
    Mark {
        /// The name; several marks may share one.
        name: MarkName,
    },
    /// The recording ended in order. The last event of a whole trace.
    End {
        /// Exit status of the recorded COMMAND, as a shell gives it; `None` without a COMMAND.
        status: Option<u8>,
    },
    /// A bottom half ran (QEMU: `REPLAY_ASYNC_EVENT_BH`, `replay_bh_schedule_event`).
    Bh {
        /// Which. QEMU takes the number of instructions executed when it was scheduled.
        id: u64,
    },
    /// A bottom half that nobody keeps ran (QEMU: `replay_bh_schedule_oneshot_event`).
    BhOneshot {
        /// As that of a bottom half.
        id: u64,
    },
    /// A key, a button or a pointer was moved (QEMU: `replay_input_event`).
    Input(Input),
    /// The inputs so far belong together and are handed on (QEMU: `replay_input_sync_event`).
    InputSync,
    /// A character device had something for the guest (QEMU: `replay_chr_be_write`).
    CharRead {
        /// Which, in the order in which they were registered.
        device: u8,
        /// What.
        data: EventData,
    },
    /// A network filter let a frame through to the guest (QEMU: `replay_net_packet_event`).
    Net {
        /// Which, in the order in which they were registered.
        filter: u8,
        /// Flags of the network layer (QEMU: `QEMU_NET_PACKET_FLAG_*`).
        flags: u32,
        /// The frame, with all headers the filter saw.
        frame: EventData,
    },
    /// A clock was read (QEMU: `replay_save_clock`).
    Clock {
        /// Which.
        clock: ClockKind,
        /// What it said, in nanoseconds since its own beginning, which may lie ahead.
        value: i64,
    },
    /// Random bytes were drawn (QEMU: `replay_save_random`).
    Random {
        /// What the source returned: 0, or less for an error.
        result: i32,
        /// The bytes.
        data: EventData,
    },
    /// The guest executed instructions (QEMU: `EVENT_INSTRUCTION`).
    Instruction {
        /// How many since the event of this kind before.
        count: u64,
    },
    /// Somebody asked the guest to go down (QEMU: `replay_shutdown_request`).
    Shutdown {
        /// Who and how.
        cause: ShutdownCause,
    },
    /// The guest took an interrupt (QEMU: `replay_interrupt`).
    Interrupt,
    /// The guest took an exception (QEMU: `replay_exception`).
    Exception,
    /// The guest wrote to a character device (QEMU: `replay_char_write_event_save`).
    CharWrite {
        /// How much was taken, in bytes, or less than 0 for an error.
        result: i32,
        /// How much had been written then, in bytes.
        offset: i32,
    },
    /// A character device was read until enough was there (QEMU: `replay_char_read_all_save_buf`).
    CharReadAll {
        /// What was read.
        data: EventData,
    },
    /// The same failed (QEMU: `replay_char_read_all_save_error`).
    CharReadAllError {
        /// The error, less than 0 in QEMU.
        error: i32,
    },
    /// Samples were played (QEMU: `replay_audio_out`).
    AudioOut {
        /// How many.
        played: u64,
    },
    /// Samples were recorded (QEMU: `replay_audio_in`).
    AudioIn(AudioIn),
}

impl EventKind {
    /// The printed names of all kinds.
    pub const NAMES: [&'static str; 27] = [
        "issue",
        "block",
        "checkpoint",
        "open",
        "length",
        "close",
        "connect",
        "disconnect",
        "mark",
        "end",
        "bh",
        "bh_oneshot",
        "input",
        "input_sync",
        "char_read",
        "net",
        "clock",
        "random",
        "instruction",
        "shutdown",
        "interrupt",
        "exception",
        "char_write",
        "char_read_all",
        "char_read_all_error",
        "audio_out",
        "audio_in",
    ];

    /// The printed name of the kind.
    pub fn name(&self) -> &'static str {
        match self {
            EventKind::Issue(_) => "issue",
            EventKind::Block(_) | EventKind::BlockId { .. } => "block",
            EventKind::Checkpoint(_) => "checkpoint",
            EventKind::Open { .. } => "open",
            EventKind::Length { .. } => "length",
            EventKind::Close { .. } => "close",
            EventKind::Connect(_) => "connect",
            EventKind::Disconnect { .. } => "disconnect",
            EventKind::Mark { .. } => "mark",
            EventKind::End { .. } => "end",
            EventKind::Bh { .. } => "bh",
            EventKind::BhOneshot { .. } => "bh_oneshot",
            EventKind::Input(_) => "input",
            EventKind::InputSync => "input_sync",
            EventKind::CharRead { .. } => "char_read",
            EventKind::Net { .. } => "net",
            EventKind::Clock { .. } => "clock",
            EventKind::Random { .. } => "random",
            EventKind::Instruction { .. } => "instruction",
            EventKind::Shutdown { .. } => "shutdown",
            EventKind::Interrupt => "interrupt",
            EventKind::Exception => "exception",
            EventKind::CharWrite { .. } => "char_write",
            EventKind::CharReadAll { .. } => "char_read_all",
            EventKind::CharReadAllError { .. } => "char_read_all_error",
            EventKind::AudioOut { .. } => "audio_out",
            EventKind::AudioIn(_) => "audio_in",
        }
    }
}

impl EventKind {
    /// What the event carries itself, in bytes: data that are wherever it is, and no payload of a request.
    pub fn data_bytes(&self) -> u64 {
        match self {
            EventKind::CharRead { data, .. }
            | EventKind::Net { frame: data, .. }
            | EventKind::Random { data, .. }
            | EventKind::CharReadAll { data } => data.len() as u64,
            EventKind::AudioIn(audio) => size_of_val(&*audio.samples) as u64,
            _ => 0,
        }
    }
}

/// A request arrived: its last byte was read from the client. A replay logs one that came early in the step it
/// belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its name from here on.
    pub id: RequestId,
    /// The device asked.
    pub device: DeviceId,
    /// The connection it came over.
    pub connection: ConnectionId,
    /// The client's own tag; kept for people who read a packet capture beside the trace.
    pub cookie: u64,
    /// What was asked.
    pub request: Request,
    /// The data of a write; [`Payload::Absent`] for all others.
    pub payload: Payload,
    /// How long before the time of its event the request had arrived: 0 while recording. At most that time; what
    /// writes a trace cuts what is more.
    pub early: Nanos,
}

impl Issue {
    /// When the request had arrived, if its event is at `time`.
    pub fn arrived(&self, time: Nanos) -> Nanos {
        time.since(self.early)
    }
}

/// A completion was released to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The request that is complete.
    pub id: RequestId,
    /// Its device.
    pub device: DeviceId,
    /// Its operation, so that a filter need not join.
    pub operation: Operation,
    /// What the image said.
    pub result: Result<(), Errno>,
    /// From the arrival of the request to the moment the image was done.
    pub latency: Nanos,
    /// From then to the release.
    pub hold: Nanos,
    /// What else happened.
    pub flags: CompletionFlags,
    /// The data of a read; [`Payload::Absent`] for all others and for a failed read.
    pub payload: Payload,
    /// The answer to a block status; empty for all others.
    pub extents: Vec<Extent>,
}

/// What else happened to a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CompletionFlags {
    /// The client had gone before it could be sent.
    pub undelivered: bool,
    /// The front refused the request (bounds, flags, read-only); it never reached the image.
    pub refused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_kind_is_in_the_table_once() {
        let mut names = EventKind::NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventKind::NAMES.len());
        for kind in [
            EventKind::Checkpoint(Checkpoint::Controller),
            EventKind::BlockId { id: RequestId(0) },
            EventKind::Open { device: DeviceId(0) },
            EventKind::Length { device: DeviceId(0), length: 0 },
            EventKind::Close { device: DeviceId(0) },
            EventKind::Mark { name: "a".parse().unwrap() },
            EventKind::End { status: None },
            EventKind::Bh { id: 0 },
            EventKind::BhOneshot { id: 0 },
            EventKind::InputSync,
            EventKind::Clock { clock: ClockKind::Host, value: 0 },
            EventKind::Instruction { count: 0 },
            EventKind::Interrupt,
            EventKind::Exception,
            EventKind::CharWrite { result: 0, offset: 0 },
            EventKind::CharReadAllError { error: 0 },
            EventKind::AudioOut { played: 0 },
        ] {
            assert!(EventKind::NAMES.contains(&kind.name()), "{}", kind.name());
        }
    }
}
