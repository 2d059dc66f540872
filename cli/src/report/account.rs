//! The account of a divergence, as a compiler tells of an error: where, what was expected, what came, what is around it,
//! and what to do. A divergence and what the trace knows of it come in, lines go out.
//!
//! Invariant: the first line names the place, and the last ones are commands that can be run.

use std::fmt::Write as _;

use blkreplay_core::engine::{
    Asked, AskedField, DifferentBytes, Divergence, DivergenceKind, Evidence, LastWriter,
};
use blkreplay_core::event::Payload;
use blkreplay_core::request::Errno;

use super::Report;
use crate::words::{Count, counted, hex, shell_word, words_of};

/// Requests without an answer that are shown.
const UNANSWERED_SHOWN: usize = 3;

impl Report<'_> {
    /// The account of a divergence, line by line, and hints.
    pub(super) fn account(&self, divergence: &Divergence) -> (Vec<String>, Vec<String>) {
        let first = self.replayed.divergences.first() == Some(divergence);
        let nothing = Evidence::default();
        // Only the first is looked into: those behind it often follow from it.
        let evidence = if first { &self.evidence } else { &nothing };
        let mut lines = vec![headline(divergence)];
        lines.extend(self.what(divergence, evidence));
        if first {
            lines.extend(last_writer(divergence, evidence));
            lines.extend(around("before, recorded", &divergence.recorded_before));
            lines.extend(around("before, came    ", &divergence.came_before));
        }
        (lines, if first { self.hints(divergence, evidence) } else { Vec::new() })
    }

    /// What was expected, and what came.
    fn what(&self, divergence: &Divergence, evidence: &Evidence) -> Vec<String> {
        let expected = divergence.expected.as_ref();
        let came = divergence.came.as_ref();
        let mut lines = match &divergence.kind {
            DivergenceKind::Unexpected { after_end: true } => {
                vec!["a request came after the last one of the recording".to_owned()]
            }
            DivergenceKind::Unexpected { after_end: false } => {
                vec!["a request came that the recording does not have here".to_owned()]
            }
            DivergenceKind::Changed { fields } => vec![changed(fields)],
            DivergenceKind::Missing { waited, clients_gone, others, .. } => {
                vec![missing(*clients_gone, &waited.to_string(), *others)]
            }
            DivergenceKind::Order { waited, kept, others, .. } => {
                order(&waited.to_string(), *kept, *others)
            }
            DivergenceKind::Window { window } => vec![format!(
                "a request came that is none of the next {} of the recording",
                Count(*window as u64)
            )],
            DivergenceKind::Data { .. } => vec![format!(
                "{} returned data that was not recorded",
                expected.map_or_else(|| "a read".to_owned(), |asked| self.asked(asked))
            )],
            DivergenceKind::Result { now } => vec![format!(
                "{} failed with {now}, recorded ok",
                expected.map_or_else(|| "a request".to_owned(), |asked| self.asked(asked))
            )],
            DivergenceKind::Monitor(monitor) => return vec![monitor.to_string()],
            DivergenceKind::ClientStatus { recorded, now } => {
                return vec![format!("COMMAND ended with status {now}, recorded {recorded}")];
            }
        };
        match &divergence.kind {
            DivergenceKind::Data { recorded, now } => {
                lines.push(format!("  expected {recorded}"));
                lines.push(format!("  came     {now}"));
            }
            DivergenceKind::Result { .. } => {}
            DivergenceKind::Missing { unanswered, .. }
            | DivergenceKind::Order { unanswered, .. } => {
                lines.extend(expected.map(|asked| format!("  expected {}", self.whole(asked))));
                let shown = unanswered.iter().take(UNANSWERED_SHOWN);
                lines.extend(shown.map(|asked| format!("  waits    {}", self.whole(asked))));
                let more = unanswered.len().saturating_sub(UNANSWERED_SHOWN);
                lines.extend((more > 0).then(|| {
                    format!("  and {} without an answer", counted(more as u64, "more request"))
                }));
            }
            _ => {
                lines.extend(expected.map(|asked| format!("  expected {}", self.whole(asked))));
                lines.extend(came.map(|asked| format!("  came     {}", self.whole(asked))));
            }
        }
        lines.extend(evidence.bytes.iter().flat_map(bytes));
        lines.extend(evidence.later.map(|later| {
            format!(
                "the recording has the same request as {}, {} later",
                later.id,
                counted(later.ahead, "request")
            )
        }));
        lines
    }

    /// `write 4096+512 fua of disk`.
    fn asked(&self, asked: &Asked) -> String {
        format!("{} of {}", words_of(&asked.request), self.device(asked))
    }

    /// The same with its id and its data.
    fn whole(&self, asked: &Asked) -> String {
        let id = asked.id.map_or_else(String::new, |id| format!("{id} "));
        let data = match asked.payload {
            Payload::Absent => String::new(),
            payload => format!(", {payload}"),
        };
        format!("{id}{}{data} (connection {})", self.asked(asked), asked.connection.0)
    }

    fn device(&self, asked: &Asked) -> &str {
        self.devices.get(usize::from(asked.device.0)).copied().unwrap_or("?")
    }

    /// What to do about a divergence.
    fn hints(&self, divergence: &Divergence, evidence: &Evidence) -> Vec<String> {
        let trace = shell_word(self.trace);
        let at = match divergence.expected.and_then(|expected| expected.id) {
            Some(id) => format!("'{id}'"),
            None => format!("event:{}", divergence.at.event.saturating_sub(1)),
        };
        let look = format!("blkreplay print {trace} --at {at} -n 20");
        let mut hints = Vec::new();
        match &divergence.kind {
            DivergenceKind::Data { .. } if evidence.last_writer.is_none() => hints.push(
                "replay onto a copy of the image as it was before the recording; \
                 record --fingerprint full finds a wrong one before the first request"
                    .to_owned(),
            ),
            DivergenceKind::Window { .. } => {
                if let Some(later) = evidence.later {
                    let wanted = later.ahead.saturating_add(1).next_power_of_two();
                    hints.push(format!("--window {wanted} takes it"));
                }
            }
            DivergenceKind::Order { .. } => {
                hints.push(
                    "--order conflict lets requests that do not conflict go ahead".to_owned(),
                );
            }
            DivergenceKind::Missing { clients_gone: false, .. } => {
                hints.push("--patience 1m waits longer for a slow client".to_owned());
            }
            _ => {}
        }
        hints.push(look);
        hints
    }
}

/// `replay diverged at request #1240: data (event 5000, step 1201, epoch 12, 1.23s)`.
fn headline(divergence: &Divergence) -> String {
    let id = divergence.expected.and_then(|expected| expected.id);
    let at = id.map_or_else(|| "the end".to_owned(), |id| format!("request {id}"));
    let place = divergence.at;
    format!(
        "replay diverged at {at}: {} (event {}, step {}, epoch {}, {})",
        divergence.kind.name(),
        place.event,
        place.step,
        place.epoch,
        place.time,
    )
}

fn last_writer(divergence: &Divergence, evidence: &Evidence) -> Option<String> {
    let is_data = matches!(divergence.kind, DivergenceKind::Data { .. });
    match &evidence.last_writer {
        Some(writer) => Some(words_of_writer(writer)),
        None if is_data => {
            Some("nothing in the trace wrote there before: the image itself differs".to_owned())
        }
        None => None,
    }
}

fn changed(fields: &[AskedField]) -> String {
    let words = fields.iter().map(|field| match field {
        AskedField::Flags | AskedField::Data => format!("other {}", field.name()),
        _ => format!("another {}", field.name()),
    });
    format!("a request came with {}", words.collect::<Vec<_>>().join(" and "))
}

fn missing(clients_gone: bool, waited: &str, others: u64) -> String {
    let mut line = if clients_gone {
        "a request of the recording did not come, and every client has gone".to_owned()
    } else {
        format!("a request of the recording did not come within {waited}")
    };
    if others > 0 {
        let _ = write!(line, "; {} more of its step did not, either", Count(others));
    }
    line
}

fn order(waited: &str, kept: u64, others: u64) -> Vec<String> {
    vec![
        format!(
            "{} did not come within {waited}, while {} that {} later came and {} kept",
            if others == 0 { "a request".to_owned() } else { counted(others + 1, "request") },
            if kept == 1 { "one".to_owned() } else { Count(kept).to_string() },
            if kept == 1 { "is" } else { "are" },
            if kept == 1 { "is" } else { "are" },
        ),
        "either it is not asked any more, or the client's own threads ran in another order: two threads".to_owned(),
        "and one lock are enough for that, and only scheduling the client could prevent it".to_owned(),
    ]
}

fn bytes(bytes: &DifferentBytes) -> Vec<String> {
    let DifferentBytes { first, count, of, .. } = *bytes;
    let spaced =
        |bytes: &[u8]| bytes.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(" ");
    vec![
        format!("  {} of {} differ, the first at {first:#x}", Count(count), counted(of, "byte")),
        format!("    expected {}", spaced(bytes.recorded.bytes())),
        format!("    came     {}", spaced(bytes.came.bytes())),
    ]
}

/// The last requests on one side, in one line.
fn around(what: &str, asked: &[Asked]) -> Option<String> {
    let words = |asked: &Asked| {
        let id = asked.id.map_or_else(String::new, |id| format!("{id} "));
        let result = match asked.result {
            Some(Err(errno)) => format!(" {errno}"),
            _ => String::new(),
        };
        format!("{id}{}{result}", words_of(&asked.request))
    };
    let all: Vec<String> = asked.iter().map(words).collect();
    (!all.is_empty()).then(|| format!("{what}  {}", all.join("   ")))
}

fn words_of_writer(writer: &LastWriter) -> String {
    let LastWriter { id, request, payload, result } = writer;
    let result = match result {
        Some(Ok(())) => "recorded ok".to_owned(),
        Some(Err(errno)) => failed_then(*errno),
        None => "not completed by then".to_owned(),
    };
    let data = match payload {
        Payload::Absent => String::new(),
        payload => format!(", {payload}"),
    };
    format!("last writer of this range: {id} ({}{data}), {result}", words_of(request))
}

fn failed_then(errno: Errno) -> String {
    format!("recorded {errno}, and so left out here")
}

#[cfg(test)]
mod tests {
    use blkreplay_core::engine::{Place, Replayed};
    use blkreplay_core::request::{
        ConnectionId, DeviceId, Digest, Flags, Operation, Request, RequestId,
    };
    use blkreplay_core::units::{ByteRange, Nanos};
    use bytes::Bytes;

    use super::super::tests::{replayed, report};
    use super::*;

    fn asked(id: u64, operation: Operation, offset: u64) -> Asked {
        Asked {
            id: Some(RequestId(id)),
            device: DeviceId(0),
            connection: ConnectionId(0),
            request: Request { operation, range: ByteRange::new(offset, 512), flags: Flags::NONE },
            payload: Payload::Absent,
            result: None,
        }
    }

    fn divergence(kind: DivergenceKind) -> Divergence {
        Divergence {
            kind,
            at: Place { event: 5000, step: 1201, epoch: 12, time: Nanos(1_232_000_000) },
            expected: Some(asked(1240, Operation::Read, 4096)),
            came: None,
            data: Bytes::new(),
            recorded_before: vec![
                asked(1238, Operation::Write, 0),
                asked(1239, Operation::Read, 0),
            ],
            came_before: Vec::new(),
        }
    }

    fn account(divergence: Divergence, evidence: Evidence) -> (Vec<String>, Vec<String>) {
        let diverged = Replayed { divergences: vec![divergence], ..replayed() };
        let report = super::Report { evidence, ..report(&diverged) };
        report.account(&diverged.divergences[0])
    }

    #[test]
    fn other_data_name_the_request_both_sides_and_the_last_writer() {
        let kind =
            DivergenceKind::Data { recorded: Payload::Digest(Digest(1)), now: Payload::Zeroes };
        let writer = LastWriter {
            id: RequestId(1214),
            request: Request { flags: Flags::FUA, ..asked(0, Operation::Write, 4096).request },
            payload: Payload::Absent,
            result: Some(Err(Errno::EIO)),
        };
        let evidence = Evidence {
            last_writer: Some(writer),
            bytes: DifferentBytes::between(b"disk", b"dosh"),
            later: None,
        };
        let (lines, hints) = account(divergence(kind), evidence);
        assert_eq!(
            lines,
            [
                "replay diverged at request #1240: data (event 5000, step 1201, epoch 12, 1.23s)",
                "read 4096+512 of disk returned data that was not recorded",
                "  expected xxh3:00000000000000000000000000000001",
                "  came     zeroes",
                "  2 of 4 bytes differ, the first at 0x1",
                "    expected 69 73 6b",
                "    came     6f 73 68",
                "last writer of this range: #1214 (write 4096+512 fua), recorded EIO, and so left out here",
                "before, recorded  #1238 write 0+512   #1239 read 0+512",
            ]
        );
        assert_eq!(hints, ["blkreplay print boot.blkr --at '#1240' -n 20"]);
    }

    #[test]
    fn a_moved_write_names_the_field_and_both_requests() {
        let kind = DivergenceKind::Changed { fields: vec![AskedField::Offset] };
        let came = Asked { id: None, ..asked(0, Operation::Read, 8192) };
        let divergence = Divergence { came: Some(came), ..divergence(kind) };
        let (lines, _) = account(divergence, Evidence::default());
        assert_eq!(
            lines[1..4],
            [
                "a request came with another offset",
                "  expected #1240 read 4096+512 of disk (connection 0)",
                "  came     read 8192+512 of disk (connection 0)",
            ]
        );
    }

    #[test]
    fn another_order_of_threads_is_said_in_these_words() {
        let kind = DivergenceKind::Order {
            waited: Nanos(10_000_000_000),
            kept: 2,
            others: 0,
            unanswered: Vec::new(),
        };
        let (lines, hints) = account(divergence(kind), Evidence::default());
        assert_eq!(
            lines[1..4],
            [
                "a request did not come within 10.0s, while 2 that are later came and are kept",
                "either it is not asked any more, or the client's own threads ran in another order: two threads",
                "and one lock are enough for that, and only scheduling the client could prevent it",
            ]
        );
        assert!(hints[0].starts_with("--order conflict"), "{hints:?}");
    }

    #[test]
    fn another_status_of_the_command_is_all_that_is_said_of_it() {
        let kind = DivergenceKind::ClientStatus { recorded: 0, now: 3 };
        let divergence =
            Divergence { expected: None, recorded_before: Vec::new(), ..divergence(kind) };
        let (lines, _) = account(divergence, Evidence::default());
        assert_eq!(lines[1], "COMMAND ended with status 3, recorded 0");
        assert!(lines[0].starts_with("replay diverged at the end: client status"), "{lines:?}");
    }
}
