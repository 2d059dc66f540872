//! The log of QEMU's record/replay, in the layout of QEMU 7.2 to 10.2. Bytes come in, events go out.
//!
//! Knows only the events of a machine without input, sound and network; others are refused by number. Source:
//! QEMU, `replay/replay-internal.h` for the order of events, `replay/*.c` for what each holds. Invariant: a log that
//! decodes was read to its last byte.

/// What a log of this layout begins with, as a big-endian number.
const VERSION: u32 = 0x00e0_200c;

/// The version and 8 bytes of zeroes.
const HEADER_LENGTH: usize = 12;

/// One event, with the first number of what it holds, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    kind: u8,
    number: u64,
}

const INSTRUCTION: u8 = 0;
const ASYNC_BH: u8 = 3;
const ASYNC_BH_ONESHOT: u8 = 4;
const ASYNC_BLOCK: u8 = 8;
const CHAR_WRITE: u8 = 22;
const CLOCK_HOST: u8 = 28;
const CLOCK_VIRTUAL_RT: u8 = 29;
const END: u8 = 39;

impl Event {
    /// The number of the request whose completion this is.
    pub(super) fn block(&self) -> Option<u64> {
        (self.kind == ASYNC_BLOCK).then_some(self.number)
    }
}

/// How many bytes follow the kind.
fn payload_length(kind: u8) -> Option<usize> {
    match kind {
        INSTRUCTION => Some(4),
        ASYNC_BH | ASYNC_BH_ONESHOT | ASYNC_BLOCK | CHAR_WRITE | CLOCK_HOST | CLOCK_VIRTUAL_RT => {
            Some(8)
        }
        // Interrupt and exception, why it shut down, the nine checkpoints, the end.
        1 | 2 | 10..=20 | 30..=END => Some(0),
        _ => None,
    }
}

/// Decodes a whole log. What is wrong with it is told with the byte at which it is.
pub(super) fn decode(log: &[u8]) -> Result<Vec<Event>, String> {
    let version = log.first_chunk().copied().map(u32::from_be_bytes);
    if version != Some(VERSION) || log.len() < HEADER_LENGTH {
        return Err(format!("no log of version {VERSION:#010x}: {version:x?}"));
    }
    let mut events = Vec::new();
    let mut rest = &log[HEADER_LENGTH..];
    while let Some((&kind, behind)) = rest.split_first() {
        let place = log.len() - rest.len();
        let length = payload_length(kind)
            .ok_or_else(|| format!("byte {place}: no place for event {kind}"))?;
        let (payload, behind) = behind
            .split_at_checked(length)
            .ok_or_else(|| format!("byte {place}: the log ends inside event {kind}"))?;
        let number = payload.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        events.push(Event { kind, number });
        rest = behind;
        if kind == END && !rest.is_empty() {
            return Err(format!("byte {place}: {} bytes lie behind the end", rest.len()));
        }
    }
    match events.last() {
        Some(Event { kind: END, .. }) => Ok(events),
        last => Err(format!("the last event is {last:?}, not the end")),
    }
}

#[test]
fn events_are_told_apart_and_numbers_are_big_endian() {
    let log = [0, 0xe0, 0x20, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0];
    let instruction = [INSTRUCTION, 0, 0, 1, 2];
    let block = [ASYNC_BLOCK, 0, 0, 0, 0, 0, 0, 0, 7];
    let log = [&log[..], &instruction, &block, &[END]].concat();
    let events = decode(&log).unwrap();
    assert_eq!(events[0], Event { kind: INSTRUCTION, number: 0x102 });
    assert_eq!(events.iter().map(Event::block).collect::<Vec<_>>(), [None, Some(7), None]);

    let refused = |log: &[u8]| decode(log).unwrap_err();
    assert!(refused(&log[..log.len() - 1]).contains("not the end"));
    assert!(refused(&log[..log.len() - 2]).contains("byte 17: the log ends inside event 8"));
    assert!(refused(&[&log[..], &[0]].concat()).contains("1 bytes lie behind the end"));
    assert!(refused(&[&log[..12], &[5]].concat()).contains("byte 12: no place for event 5"));
    assert!(refused(&log[1..]).contains("no log of version"));
    assert!(refused(b"").contains("no log of version"));
}
