//! What became of a damaged trace, as lines and as JSON. A report comes in, text goes out.
//!
//! Invariant: both forms say the same, and a number that is not certain is never told as if it were.

use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::format::{Amount, Gap, Recovery};
use blkreplay_core::units::Size;
use serde::Serialize;

use crate::words::counted;

const SCHEMA: &str = "blkreplay.recover/1";

/// Gaps that the JSON object lists; the sums have all.
const GAPS_LISTED: usize = 10_000;

/// What the new trace has, in words.
pub(crate) fn kept(recovery: &Recovery) -> String {
    let written = &recovery.written;
    let (events, chunks) = (counted(written.events, "event"), counted(written.chunks, "chunk"));
    format!("{events} in {chunks}  {}", Size(written.bytes))
}

/// What is lost in all, in words; `None` if nothing is.
pub(crate) fn lost(recovery: &Recovery) -> Option<String> {
    let mut parts = Vec::new();
    for (amount, thing) in [
        (recovery.chunks_lost, "chunk"),
        (recovery.events_lost, "event"),
        (recovery.payloads_lost, "payload"),
    ] {
        if !amount.is_none() {
            let plural = if amount.known == 1 && !amount.more { "" } else { "s" };
            parts.push(format!("{amount} {thing}{plural}"));
        }
    }
    if recovery.events_without_data > 0 {
        parts.push(format!(
            "the data of {}, which keep their digests",
            counted(recovery.events_without_data, "event")
        ));
    }
    if !recovery.ended {
        parts.push("the end of the recording".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The report for programs, gathered as gaps are found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    gaps: Vec<GapJson>,
}

#[derive(Debug, Serialize)]
struct GapJson {
    offset: u64,
    bytes_unused: u64,
    text: String,
    chunks_lost: AmountJson,
    events_lost: AmountJson,
    payloads_lost: AmountJson,
    from: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
}

/// A number, and whether there may be more.
#[derive(Debug, Serialize)]
struct AmountJson {
    known: u64,
    exact: bool,
}

impl From<Amount> for AmountJson {
    fn from(amount: Amount) -> AmountJson {
        AmountJson { known: amount.known, exact: !amount.more }
    }
}

#[derive(Debug, Serialize)]
struct RecoveryJson<'report> {
    schema: &'static str,
    path: String,
    output: String,
    /// Nothing was wrong.
    whole: bool,
    /// Something is lost.
    loss: bool,
    header: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_damage: Option<String>,
    ended: bool,
    file_bytes: u64,
    bytes_unused: u64,
    chunks_used: u64,
    chunks_lost: AmountJson,
    chunks_misplaced: u64,
    events: u64,
    events_lost: AmountJson,
    events_without_data: u64,
    payloads: u64,
    payloads_lost: AmountJson,
    gaps: &'report [GapJson],
    gaps_found: u64,
}

impl Report {
    /// Takes the next gap.
    pub(crate) fn gap(&mut self, gap: &Gap) {
        if self.gaps.len() < GAPS_LISTED {
            self.gaps.push(GapJson {
                offset: gap.offset,
                bytes_unused: gap.bytes,
                text: gap.kind.to_string(),
                chunks_lost: gap.chunks.into(),
                events_lost: gap.events.into(),
                payloads_lost: gap.payloads.into(),
                from: gap.from.0,
                to: gap.to.map(|to| to.0),
            });
        }
    }

    /// Writes one object on one line.
    pub(crate) fn write(
        &self,
        path: &Path,
        output: &Path,
        recovery: &Recovery,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let report = RecoveryJson {
            schema: SCHEMA,
            path: path.display().to_string(),
            output: output.display().to_string(),
            whole: recovery.is_whole(),
            loss: recovery.lost_something(),
            header: recovery.header.name(),
            header_damage: recovery.header_damage.as_ref().map(ToString::to_string),
            ended: recovery.ended,
            file_bytes: recovery.bytes,
            bytes_unused: recovery.bytes_unused,
            chunks_used: recovery.chunks,
            chunks_lost: recovery.chunks_lost.into(),
            chunks_misplaced: recovery.chunks_misplaced,
            events: recovery.written.events,
            events_lost: recovery.events_lost.into(),
            events_without_data: recovery.events_without_data,
            payloads: recovery.written.payloads,
            payloads_lost: recovery.payloads_lost.into(),
            gaps: &self.gaps,
            gaps_found: recovery.gaps,
        };
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)
    }
}
