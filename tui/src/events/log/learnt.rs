//! All that is known of a QEMU log that was read to its end, as bytes and back.
//!
//! Invariants: what is taken can be of a log of this length, and takes no more memory than reading the log would; what cannot be is
//! `None`.

use blkreplay_core::qemu::{
    Blocks, Choice, Completed, LAYOUTS, Layout, LogChecked, LogFinding, LogHeader, LogKind, Stop,
    Survey, Tally,
};

use super::found::{self, put_layout, put_stop, take_layout, take_stop};
use super::marks::Marks;
use super::{FINDINGS_KEPT, Known, Progress, number};

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Learnt {
    pub(super) header: LogHeader,
    /// In which it was read.
    pub(super) layout: &'static Layout,
    pub(super) marks: Marks,
    /// Where it stops, if it is not whole.
    pub(super) stop: Option<Stop>,
    /// What is wrong with it, once it was checked.
    pub(super) verdict: Option<Verdict>,
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The first that were found.
    pub(super) findings: Vec<LogFinding>,
    pub(super) checked: LogChecked,
}

impl Learnt {
    /// The same as it would be told while the log is read.
    pub(super) fn known(&self, log_bytes: u64) -> Vec<Known> {
        let (place, blocks) = (self.marks.place, self.marks.blocks());
        let progress = Progress { place, of: log_bytes, blocks };
        let mut known = vec![Known::Whole(progress, self.stop)];
        if let Some(Verdict { findings, checked }) = &self.verdict {
            known.extend(findings.iter().copied().map(Known::Found));
            known.push(Known::Checked(Box::new(checked.clone())));
        }
        known
    }

    /// Takes what [`put`] wrote of a log of so many bytes.
    pub(super) fn take(mut input: &[u8], log_bytes: u64) -> Option<Learnt> {
        let input = &mut input;
        let version = number::take(input)?.try_into().ok()?;
        let header = LogHeader { version, reserved: number::take(input)? };
        let layout = take_layout(input)?;
        let marks = Marks::take(input, log_bytes)?;
        let stop = if follows(input)? { Some(take_stop(input)?) } else { None };
        let verdict =
            if follows(input)? { Some(Verdict::take(input, header, log_bytes)?) } else { None };
        input.is_empty().then_some(Learnt { header, layout, marks, stop, verdict })
    }
}

/// Adds what is known of a log.
pub(super) fn put(
    (header, layout): (LogHeader, &Layout),
    marks: &Marks,
    stop: Option<Stop>,
    verdict: Option<&Verdict>,
    out: &mut Vec<u8>,
) {
    number::put(header.version.into(), out);
    number::put(header.reserved, out);
    put_layout(layout, out);
    marks.put(out);
    put_maybe(stop, out, put_stop);
    put_maybe(verdict, out, Verdict::put);
}

fn put_maybe<T>(what: Option<T>, out: &mut Vec<u8>, put: impl Fn(T, &mut Vec<u8>)) {
    number::put(u64::from(what.is_some()), out);
    if let Some(what) = what {
        put(what, out);
    }
}

/// Takes whether something follows.
fn follows(input: &mut &[u8]) -> Option<bool> {
    match number::take(input)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

impl Verdict {
    fn put(&self, out: &mut Vec<u8>) {
        let LogChecked { faults, notes, survey, .. } = &self.checked;
        number::put(*faults, out);
        number::put(*notes, out);
        for finding in &self.findings {
            found::put(finding, out);
        }
        put_layout(survey.layout, out);
        number::put(survey.choice as u64, out);
        number::put(survey.others.len() as u64, out);
        for layout in &survey.others {
            put_layout(layout, out);
        }
        put_tally(&survey.tally, survey.layout, out);
        put_maybe(survey.stop, out, put_stop);
    }

    fn take(input: &mut &[u8], header: LogHeader, file_bytes: u64) -> Option<Verdict> {
        let (faults, notes) = (number::take(input)?, number::take(input)?);
        let kept = faults.checked_add(notes)?.min(FINDINGS_KEPT as u64);
        let findings = (0..kept).map(|_| found::take(input)).collect::<Option<Vec<_>>>()?;
        let layout = take_layout(input)?;
        let (choice, _) = *Choice::NAMES.get(usize::try_from(number::take(input)?).ok()?)?;
        let others = number::take(input)?;
        if others > LAYOUTS.len() as u64 {
            return None;
        }
        let others = (0..others).map(|_| take_layout(input)).collect::<Option<Vec<_>>>()?;
        let tally = take_tally(input, layout, file_bytes)?;
        let stop = if follows(input)? { Some(take_stop(input)?) } else { None };
        let survey = Survey { header, layout, choice, others, tally, file_bytes, stop };
        let checked = LogChecked { faults, notes, survey, stopped: false };
        Some(Verdict { findings, checked })
    }
}

/// The kinds of events of a layout, by the numbers that they have here.
fn kinds(layout: &Layout) -> Vec<LogKind> {
    let mut kinds = layout.events();
    kinds.extend(layout.async_kinds());
    kinds
}

fn put_tally(tally: &Tally, layout: &Layout, out: &mut Vec<u8>) {
    let kinds = kinds(layout);
    let Tally { counts, events, bytes, icount, blocks, oddities } = tally;
    number::put_all(&[*events, *bytes, *icount, *oddities], out);
    number::put(counts.len() as u64, out);
    for (kind, count) in counts {
        let at = kinds.iter().position(|one| one == kind).unwrap_or(kinds.len());
        number::put(at as u64, out);
        number::put(*count, out);
    }
    let Blocks { completions, first, last, highest, overtaken } = blocks;
    number::put_all(&[*completions, *highest, *overtaken], out);
    for completed in [first, last] {
        put_maybe(*completed, out, |Completed { id, event, icount }, out| {
            number::put_all(&[id, event, icount], out);
        });
    }
}

fn take_tally(input: &mut &[u8], layout: &Layout, file_bytes: u64) -> Option<Tally> {
    let kinds = kinds(layout);
    let mut next = || number::take(input);
    let (events, bytes, icount, oddities) = (next()?, next()?, next()?, next()?);
    let length = next()?;
    if events > bytes || bytes > file_bytes || length > kinds.len() as u64 {
        return None;
    }
    let mut counts = Vec::new();
    let mut counted: u64 = 0;
    for _ in 0..length {
        let kind = *kinds.get(usize::try_from(next()?).ok()?)?;
        let count = next()?;
        counted = counted.checked_add(count)?;
        counts.push((kind, count));
    }
    let (completions, highest, overtaken) = (next()?, next()?, next()?);
    let first = if follows(input)? { Some(take_completed(input)?) } else { None };
    let last = if follows(input)? { Some(take_completed(input)?) } else { None };
    let blocks = Blocks { completions, first, last, highest, overtaken };
    (counted == events).then_some(Tally { counts, events, bytes, icount, blocks, oddities })
}

fn take_completed(input: &mut &[u8]) -> Option<Completed> {
    let (id, event, icount) = (number::take(input)?, number::take(input)?, number::take(input)?);
    Some(Completed { id, event, icount })
}
