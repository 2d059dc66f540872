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
                lines.push(format!("{asked} returned data that were not recorded"));
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
        let look = format!("look: blkreplay print {}", shell_word(self.trace));
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
