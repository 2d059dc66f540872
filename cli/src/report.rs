//! What is said of a replay that is over: a line if it is the recording, an account if it is not, or one JSON
//! object. Facts come in, text goes out.
//!
//! Invariant: what was not verified is never told as equal.

use std::fmt::Write as _;
use std::path::Path;

use blkreplay_core::engine::{DifferentBytes, Divergence, DivergenceKind, LastWriter, Replayed};
use blkreplay_core::event::Payload;
use blkreplay_core::request::{Errno, Request};
use blkreplay_core::units::Nanos;
use serde::Serialize;

use crate::words::{Count, counted, shell_word};

/// All that is known of a replay when it is over.
pub(crate) struct Report<'a> {
    /// The trace.
    pub(crate) trace: &'a Path,
    /// Requests in the trace.
    pub(crate) requests: u64,
    /// How long the recording took.
    pub(crate) recorded: Nanos,
    /// What was done.
    pub(crate) replayed: &'a Replayed,
    /// The printed names of the devices.
    pub(crate) devices: Vec<&'a str>,
    /// Who wrote what a divergent read returned.
    pub(crate) last_writer: Option<LastWriter>,
    /// Bytes written and thrown away; `None` if they were kept.
    pub(crate) thrown_away: Option<u64>,
    /// The trace was cut or damaged, and the rest of it was allowed to be missing.
    pub(crate) trace_cut: bool,
}

impl Report<'_> {
    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Replayed { requests, left_out, verified, unverified, duration, divergence } =
            self.replayed;
        let mut line = format!(
            "{} of {} in {duration} (recorded {})  reads verified {}",
            Count(*requests),
            counted(self.requests, "request"),
            self.recorded,
            Count(*verified),
        );
        if *unverified > 0 {
            let _ = write!(line, "  unverified {}", Count(*unverified));
        }
        if *left_out > 0 {
            let _ = write!(line, "  left out {} (failed when recorded)", Count(*left_out));
        }
        match divergence {
            Some(_) => line.push_str("  1 difference"),
            None if *verified == 0 && *unverified > 0 => {
                line.push_str("  nothing could be compared: the trace has no digests");
            }
            None => line.push_str("  0 differences"),
        }
        line
    }

    /// The account of a divergence, line by line; the first says what diverged.
    pub(crate) fn account(&self, divergence: &Divergence) -> Vec<String> {
        let Divergence { id, epoch, time, device, request, kind, .. } = divergence;
        let device = self.devices.get(usize::from(device.0)).copied().unwrap_or("?");
        let asked = format!("{} of {device}", words_of(request));
        let mut lines = vec![format!("replay diverged at request {id} (epoch {epoch}, {time})")];
        match kind {
            DivergenceKind::Result { now } => {
                lines.push(format!("{asked} failed with {now}, recorded ok"));
            }
            DivergenceKind::Data { recorded, now, bytes } => {
                lines.push(format!("{asked} returned data that was not recorded"));
                lines.push(format!("  expected {recorded}"));
                lines.push(format!("  got      {now}"));
                lines.extend(bytes.map(|bytes| format!("  {}", words_of_bytes(bytes))));
            }
        }
        lines.extend(self.last_writer.as_ref().map(words_of_writer));
        if matches!(kind, DivergenceKind::Data { .. }) && self.last_writer.is_none() {
            lines.push(
                "nothing in the trace wrote there before: the image itself differs".to_owned(),
            );
        }
        lines
    }

    /// What to do about a divergence.
    pub(crate) fn hints(&self, divergence: &Divergence) -> Vec<String> {
        let look = format!("blkreplay print {}", shell_word(self.trace));
        match divergence.kind {
            DivergenceKind::Data { .. } if self.last_writer.is_none() => vec![
                "replay onto a copy of the image as it was before the recording; \
                 --fingerprint full finds such an image before the first request"
                    .to_owned(),
                look,
            ],
            _ => vec![look],
        }
    }

    /// One line for programs: `blkreplay.replay/1`.
    pub(crate) fn json(&self) -> impl Serialize {
        let divergence = self.replayed.divergence.as_ref();
        ReportJson {
            schema: "blkreplay.replay/1",
            verdict: if divergence.is_some() { "diverged" } else { "same" },
            requests: self.requests,
            replayed: self.replayed.requests,
            left_out: self.replayed.left_out,
            reads_verified: self.replayed.verified,
            reads_unverified: self.replayed.unverified,
            duration: self.replayed.duration.0,
            recorded_duration: self.recorded.0,
            thrown_away: self.thrown_away,
            trace_cut: self.trace_cut,
            divergence: divergence.map(|divergence| self.divergence_json(divergence)),
        }
    }

    fn divergence_json(&self, divergence: &Divergence) -> DivergenceJson {
        let Divergence { id, event, epoch, time, device, request, kind } = divergence;
        let (recorded, now, bytes) = match kind {
            DivergenceKind::Result { now } => ("ok".to_owned(), now.to_string(), None),
            DivergenceKind::Data { recorded, now, bytes } => {
                (recorded.to_string(), now.to_string(), *bytes)
            }
        };
        DivergenceJson {
            kind: kind.name(),
            id: id.0,
            event: *event,
            epoch: *epoch,
            t: time.0,
            dev: self.devices.get(usize::from(device.0)).copied().unwrap_or("?").to_owned(),
            op: request.operation.name(),
            off: request.range.offset,
            len: request.range.length,
            flags: request.flags.names().collect(),
            recorded,
            now,
            first_different: bytes.map(|bytes| bytes.first),
            different: bytes.map(|bytes| bytes.count),
            last_writer: self.last_writer.as_ref().map(|writer| writer.id.0),
        }
    }
}

/// A replay as programs see it. Absent fields are left out.
#[derive(Serialize)]
struct ReportJson {
    schema: &'static str,
    verdict: &'static str,
    requests: u64,
    replayed: u64,
    left_out: u64,
    reads_verified: u64,
    reads_unverified: u64,
    duration: u64,
    recorded_duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    thrown_away: Option<u64>,
    trace_cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<DivergenceJson>,
}

#[derive(Serialize)]
struct DivergenceJson {
    kind: &'static str,
    id: u64,
    event: u64,
    epoch: u64,
    t: u64,
    dev: String,
    op: &'static str,
    off: u64,
    len: u64,
    flags: Vec<&'static str>,
    recorded: String,
    now: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_different: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    different: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_writer: Option<u64>,
}

/// `write 4096+512 fua`.
fn words_of(request: &Request) -> String {
    let mut words = request.operation.to_string();
    if request.range.length > 0 {
        let _ = write!(words, " {}", request.range);
    }
    for flag in request.flags.names() {
        let _ = write!(words, " {flag}");
    }
    words
}

fn words_of_bytes(bytes: DifferentBytes) -> String {
    let DifferentBytes { first, count, of } = bytes;
    format!("{} of {} differ, the first at {first:#x}", Count(count), counted(of, "byte"))
}

fn words_of_writer(writer: &LastWriter) -> String {
    let LastWriter { id, request, payload, result } = writer;
    let result = match result {
        Some(Ok(())) => "recorded ok".to_owned(),
        Some(Err(errno)) => failed_then(*errno),
        None => "never completed in the recording".to_owned(),
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
    use blkreplay_core::request::{DeviceId, Digest, Flags, Operation, RequestId};
    use blkreplay_core::units::ByteRange;

    use super::*;

    fn replayed() -> Replayed {
        Replayed {
            requests: 12_431,
            verified: 8_249,
            duration: Nanos(1_020_000_000),
            ..Replayed::default()
        }
    }

    fn report(replayed: &Replayed) -> Report<'_> {
        Report {
            trace: Path::new("boot.blkr"),
            requests: 12_431,
            recorded: Nanos(3_810_000_000),
            replayed,
            devices: vec!["disk"],
            last_writer: None,
            thrown_away: None,
            trace_cut: false,
        }
    }

    fn divergence() -> Divergence {
        Divergence {
            id: RequestId(1240),
            event: 5000,
            epoch: 12,
            time: Nanos(1_232_000_000),
            device: DeviceId(0),
            request: Request {
                operation: Operation::Read,
                range: ByteRange::new(4096, 512),
                flags: Flags::NONE,
            },
            kind: DivergenceKind::Data {
                recorded: Payload::Digest(Digest(1)),
                now: Payload::Zeroes,
                bytes: Some(DifferentBytes { first: 0x42, count: 8, of: 512 }),
            },
        }
    }

    #[test]
    fn a_replay_that_went_the_same_way_is_one_line() {
        assert_eq!(
            report(&replayed()).line(),
            "12,431 of 12,431 requests in 1.02s (recorded 3.81s)  reads verified 8,249  \
             0 differences"
        );
    }

    #[test]
    fn what_could_not_be_compared_is_never_told_as_equal() {
        let replayed = Replayed { verified: 0, unverified: 9, ..replayed() };
        let line = report(&replayed).line();
        assert!(!line.contains("0 differences"), "{line}");
        assert!(line.contains("unverified 9") && line.contains("nothing could be compared"));
    }

    #[test]
    fn a_divergence_names_the_request_both_sides_and_the_last_writer() {
        let diverged = Replayed { divergence: Some(divergence()), ..replayed() };
        let writer = LastWriter {
            id: RequestId(1214),
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(4096, 512),
                flags: Flags::FUA,
            },
            payload: Payload::Absent,
            result: Some(Err(Errno::EIO)),
        };
        let report = Report { last_writer: Some(writer), ..report(&diverged) };
        assert_eq!(
            report.account(&divergence()),
            [
                "replay diverged at request #1240 (epoch 12, 1.23s)",
                "read 4096+512 of disk returned data that was not recorded",
                "  expected xxh3:00000000000000000000000000000001",
                "  got      zeroes",
                "  8 of 512 bytes differ, the first at 0x42",
                "last writer of this range: #1214 (write 4096+512 fua), recorded EIO, and so left out here",
            ]
        );
        assert_eq!(report.hints(&divergence()), ["blkreplay print boot.blkr"]);
    }

    #[test]
    fn json_leaves_out_what_is_not_there() {
        let same = serde_json::to_string(&report(&replayed()).json()).unwrap();
        assert!(same.starts_with(r#"{"schema":"blkreplay.replay/1","verdict":"same""#), "{same}");
        assert!(!same.contains("divergence") && !same.contains("thrown_away"));
        let diverged = Replayed { divergence: Some(divergence()), ..replayed() };
        let json = serde_json::to_value(report(&diverged).json()).unwrap();
        assert_eq!(json["verdict"], "diverged");
        assert_eq!(json["divergence"]["id"], 1240);
        assert_eq!(json["divergence"]["first_different"], 0x42);
    }
}
