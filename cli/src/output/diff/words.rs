//! One difference in words: what was asked, which requests they are, what changed. A difference comes in, lines go out.
//!
//! Invariants: a line holds no control character and fits 80 columns, unless one of its words does not.

use std::fmt::Write as _;

use blkreplay_core::diff::{
    Around, Compared, Difference, DifferingBytes, Fact, Kept, Kind, Writer,
};
use blkreplay_core::event::Payload;
use blkreplay_core::request::{Operation, Request};

use super::{Pair, around};
use crate::output::printable;
use crate::words::{Count, words_of};

/// Ids of one side that are listed; of more, the number is told.
const IDS_LISTED: usize = 4;

/// Ranges of bytes that are told.
const RANGES_TOLD: usize = 2;

/// Bytes of each side that are told.
const BYTES_TOLD: usize = 4;

/// Hex digits of a digest that are shown.
const DIGEST_DIGITS: usize = 8;

/// A difference in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// How it differs, as one character.
    pub(super) sign: char,
    /// What was asked.
    pub(super) request: String,
    /// Which requests of base and of new.
    pub(super) ids: String,
    /// What differs, fact by fact.
    pub(super) changes: Vec<String>,
    /// What is known of it, a line each.
    pub(super) details: Vec<String>,
}

/// The sign of a kind.
pub(super) fn sign(kind: Kind) -> char {
    match kind {
        Kind::Changed => '~',
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Moved => '>',
    }
}

impl Words {
    /// What `difference` of `pair` is.
    pub(super) fn of(kept: &Kept, pair: &Pair) -> Words {
        let difference = &kept.difference;
        let Difference { kind, base, new, .. } = difference;
        let asked = base.first().or(new.first());
        let request = asked.map_or_else(String::new, |asked| asked_of(asked, pair));
        let ids = format!("{} | {}", ids(base), ids(new));
        Words {
            sign: sign(*kind),
            request,
            ids,
            changes: changes(difference),
            details: details(kept, pair),
        }
    }

    /// All of it, the first line with what differs, further ones with what is known of it.
    pub(super) fn lines(&self) -> Vec<String> {
        let first = self.line();
        std::iter::once(first)
            .chain(self.details.iter().map(|line| format!("     {line}")))
            .collect()
    }

    /// What differs on one line.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{} {}  {}", self.sign, self.request, self.ids);
        for change in &self.changes {
            line.push_str("  ");
            line.push_str(change);
        }
        line
    }
}

/// What was asked of which device, if there are several.
pub(super) fn asked_of(one: &Compared, pair: &Pair) -> String {
    let words = words_of(&one.request);
    match pair.device(one.device.0) {
        Some(device) => format!("{}: {words}", printable(device)),
        None => words,
    }
}

/// What is known of a difference, a line each.
fn details(kept: &Kept, pair: &Pair) -> Vec<String> {
    let evidence = &kept.evidence;
    let mut lines: Vec<String> = evidence.bytes.as_ref().map(bytes).into_iter().collect();
    lines.extend(evidence.preset.map(|preset| format!("--preset {} masks all of it", preset.name)));
    let first = pair.report().and_then(|report| report.first.as_ref());
    if let Some(first) = first.filter(|first| first.difference == kept.difference) {
        lines.extend(around::lines(first, pair));
    }
    lines
}

/// `bytes 0x42c..0x434 (8 of 4,096)  71 aa 20 67 … → e0 1b 22 67 …`.
fn bytes(bytes: &DifferingBytes) -> String {
    let DifferingBytes { ranges, count, of, base, new } = bytes;
    let mut words = "bytes".to_owned();
    for range in ranges.iter().take(RANGES_TOLD) {
        let _ = write!(words, " {:#x}..{:#x}", range.start, range.end);
    }
    if ranges.len() > RANGES_TOLD {
        words.push_str(" …");
    }
    let shown = |data: &[u8]| {
        let told = data.iter().take(BYTES_TOLD).map(|byte| format!("{byte:02x}"));
        let more = if data.len() > BYTES_TOLD { " …" } else { "" };
        match told.collect::<Vec<_>>().join(" ") {
            none if none.is_empty() => "none".to_owned(),
            told => format!("{told}{more}"),
        }
    };
    let (base, new) = (shown(base), shown(new));
    format!("{words} ({} of {})  {base} → {new}", Count(*count), Count(*of))
}

/// Who wrote there last, in base and in new; `None` if that is not known, or does not matter: what a write is written over.
pub(super) fn writers(kept: &Kept) -> Option<String> {
    let Kept { difference, evidence } = kept;
    let own = difference.base.first().or(difference.new.first())?;
    let is_read = own.request.operation == Operation::Read;
    let writer = |around: &Option<Around>| match around.as_ref()?.writer? {
        Writer::Request(id) => Some(format!("by {id}")),
        Writer::Before if is_read => Some("before the recording".to_owned()),
        Writer::Before => None,
    };
    match (writer(&evidence.base), writer(&evidence.new)) {
        (Some(base), Some(new)) if base == new => Some(format!("last written {base}")),
        (Some(base), Some(new)) => Some(format!("last written {base} | {new}")),
        (Some(one), None) | (None, Some(one)) => Some(format!("last written {one}")),
        (None, None) => None,
    }
}

/// `#12`, `#12 #13`, `· ` for none.
fn ids(requests: &[Compared]) -> String {
    if requests.is_empty() {
        return "·".to_owned();
    }
    let mut words: Vec<String> =
        requests.iter().take(IDS_LISTED).map(|one| one.id.to_string()).collect();
    if let Some(more) = requests.len().checked_sub(IDS_LISTED).filter(|more| *more > 0) {
        words.push(format!("and {more} more"));
    }
    words.join(" ")
}

/// What differs, or of one side only, what more there is to know.
fn changes(difference: &Difference) -> Vec<String> {
    let Difference { kind, base, new, facts, .. } = difference;
    match (base.as_slice(), new.as_slice()) {
        ([base], [new]) => {
            let mut changes: Vec<String> =
                facts.iter().map(|fact| change(fact, base, new)).collect();
            if *kind == Kind::Moved && base.epoch != new.epoch {
                changes.insert(0, format!("epoch {} → {}", base.epoch, new.epoch));
            } else if *kind == Kind::Moved {
                changes.insert(0, format!("place {} → {}", base.place, new.place));
            }
            changes
        }
        ([one], []) | ([], [one]) => {
            let payload = one.payload != Payload::Absent;
            let failed = one.result.is_some_and(|result| result.is_err());
            let payload = payload.then(|| format!("payload {}", short(one.payload)));
            payload.into_iter().chain(failed.then(|| result(one))).collect()
        }
        (base, new) => {
            let word = match (base.len(), new.len()) {
                (0, _) | (_, 0) => "requests",
                (one, other) if one < other => "split",
                (one, other) if one > other => "merged",
                _ => "requests",
            };
            let names: Vec<&str> = facts.iter().map(Fact::name).collect();
            vec![
                format!("{word} {} → {}  {}", base.len(), new.len(), names.join(" "))
                    .trim_end()
                    .to_owned(),
            ]
        }
    }
}

/// `off 0 → 4096`.
pub(super) fn change(fact: Fact, base: &Compared, new: &Compared) -> String {
    let name = fact.name();
    let value = |one: &Compared| {
        let Request { operation, range, flags } = one.request;
        match fact {
            Fact::Operation => operation.to_string(),
            Fact::Offset => range.offset.to_string(),
            Fact::Length => range.length.to_string(),
            Fact::Flags => match flags.names().collect::<Vec<_>>().join(",") {
                none if none.is_empty() => "none".to_owned(),
                names => names,
            },
            Fact::Payload => short(one.payload),
            Fact::Result => result(one),
        }
    };
    format!("{name} {} → {}", value(base), value(new))
}

/// The first digits of a digest, `zeroes` or `none`.
pub(super) fn short(payload: Payload) -> String {
    match payload {
        Payload::Absent => "none".to_owned(),
        Payload::Zeroes => "zeroes".to_owned(),
        Payload::Digest(digest) | Payload::Stored(digest, _) => {
            let digits = format!("{:032x}", digest.0);
            format!("{}…", &digits[..DIGEST_DIGITS])
        }
    }
}

/// How a request ended.
pub(super) fn result(one: &Compared) -> String {
    match one.result {
        None => "no answer".to_owned(),
        Some(Ok(())) => "ok".to_owned(),
        Some(Err(errno)) => errno.to_string(),
    }
}
