//! What is wrong with a trace, as lines and as JSON, while it is being checked. Findings come in, text goes out.
//!
//! Invariants: nothing is gathered, however many findings there are; the JSON object is closed whatever happens.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::format::{Checked, Finding};
use blkreplay_core::qemu::{LogChecked, LogFinding};
use blkreplay_core::units::Size;
use serde::Serialize;

use super::printable;
use crate::input;
use crate::words::counted;

const SCHEMA: &str = "blkreplay.check/1";

/// Writes the findings about one trace.
#[derive(Debug)]
pub(crate) struct Findings {
    path: String,
    /// What `path` is in a command.
    word: String,
    json: bool,
    deep: bool,
    begun: bool,
    /// Hints that were given: one is enough.
    hints: BTreeSet<&'static str>,
}

/// A finding, wherever it comes from.
#[derive(Debug, Serialize)]
struct FindingJson {
    level: &'static str,
    code: &'static str,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icount: Option<u64>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl From<&Finding> for FindingJson {
    fn from(Finding { place, fault }: &Finding) -> FindingJson {
        FindingJson {
            level: fault.level().name(),
            code: fault.code(),
            offset: place.offset,
            chunk: place.chunk,
            event: place.event,
            icount: None,
            text: fault.to_string(),
            hint: fault.hint(),
        }
    }
}

impl From<&LogFinding> for FindingJson {
    fn from(LogFinding { place, fault }: &LogFinding) -> FindingJson {
        FindingJson {
            level: fault.level().name(),
            code: fault.code(),
            offset: place.at,
            chunk: None,
            event: Some(place.event),
            icount: Some(place.icount),
            text: fault.to_string(),
            hint: Some(fault.hint()),
        }
    }
}

#[derive(Debug, Serialize)]
struct LogSumsJson {
    faults: u64,
    notes: u64,
    file_bytes: u64,
    layout: &'static str,
    events: u64,
    icount: u64,
    completions: u64,
}

#[derive(Debug, Serialize)]
struct SumsJson {
    faults: u64,
    notes: u64,
    file_bytes: u64,
    chunks: u64,
    events: u64,
    requests: u64,
    payloads: u64,
}

#[derive(Debug, Serialize)]
struct TroubleJson<'text> {
    trouble: &'text str,
}

impl Findings {
    /// Findings about the trace at `path`.
    pub(crate) fn new(path: &Path, json: bool, deep: bool) -> Findings {
        let (word, path) = (input::word(path), input::name(path).display().to_string());
        Findings { path, word, json, deep, begun: false, hints: BTreeSet::new() }
    }

    /// Writes a finding about a trace.
    pub(crate) fn finding(&mut self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        self.tell(finding.into(), &finding.place.to_string(), out)
    }

    /// Writes a finding about a QEMU log.
    pub(crate) fn log_finding(
        &mut self,
        finding: &LogFinding,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.tell(finding.into(), &finding.place.to_string(), out)
    }

    fn tell(&mut self, finding: FindingJson, place: &str, out: &mut impl Write) -> io::Result<()> {
        if self.json {
            if !self.begin(out)? {
                out.write_all(b",")?;
            }
            return Ok(serde_json::to_writer(out, &finding)?);
        }
        let FindingJson { level, code, text, hint, .. } = finding;
        let path = printable(&self.path);
        writeln!(out, "{path}: {level} {code} at {place}: {}", printable(&text))?;
        match hint {
            Some(hint) if self.hints.insert(hint) => {
                // The path takes its place as it can be typed.
                writeln!(out, "  hint: {}", hint.replace("TRACE", &self.word))
            }
            _ => Ok(()),
        }
    }

    /// Begins the JSON object, unless that was done.
    fn begin(&mut self, out: &mut impl Write) -> io::Result<bool> {
        if self.begun {
            return Ok(false);
        }
        self.begun = true;
        write!(out, "{{\"schema\":\"{SCHEMA}\",\"path\":")?;
        serde_json::to_writer(&mut *out, &self.path)?;
        write!(out, ",\"deep\":{},\"findings\":[", self.deep)?;
        Ok(true)
    }

    /// Writes what was checked.
    pub(crate) fn sums(mut self, checked: &Checked, out: &mut impl Write) -> io::Result<()> {
        if self.json {
            let sums = SumsJson {
                faults: checked.faults,
                notes: checked.notes,
                file_bytes: checked.bytes,
                chunks: checked.chunks,
                events: checked.events,
                requests: checked.requests,
                payloads: checked.payloads,
            };
            self.begin(out)?;
            return close(&sums, out);
        }
        let verdict = verdict(checked.faults, checked.notes);
        writeln!(
            out,
            "{}  {verdict}  {}  {}  {}  {}  {}",
            printable(&self.path),
            Size(checked.bytes),
            counted(checked.chunks, "chunk"),
            counted(checked.events, "event"),
            counted(checked.requests, "request"),
            counted(checked.payloads, "payload"),
        )
    }

    /// Writes what was checked of a QEMU log.
    pub(crate) fn log_sums(mut self, checked: &LogChecked, out: &mut impl Write) -> io::Result<()> {
        let survey = &checked.survey;
        let tally = &survey.tally;
        if self.json {
            let sums = LogSumsJson {
                faults: checked.faults,
                notes: checked.notes,
                file_bytes: survey.file_bytes,
                layout: survey.layout.label,
                events: tally.events,
                icount: tally.icount,
                completions: tally.blocks.completions,
            };
            self.begin(out)?;
            return close(&sums, out);
        }
        writeln!(
            out,
            "{}  {}  {}  QEMU log {}  {}  {}  {} completed",
            printable(&self.path),
            verdict(checked.faults, checked.notes),
            Size(survey.file_bytes),
            survey.layout.label,
            counted(tally.events, "event"),
            counted(tally.icount, "instruction"),
            counted(tally.blocks.completions, "request"),
        )
    }

    /// Closes the object of a trace that could not be checked to its end, if it was begun.
    pub(crate) fn abandon(self, trouble: &str, out: &mut impl Write) -> io::Result<()> {
        if self.begun { close(&TroubleJson { trouble }, out) } else { Ok(()) }
    }
}

fn verdict(faults: u64, notes: u64) -> String {
    match (faults, notes) {
        (0, 0) => "ok".to_owned(),
        (0, notes) => format!("ok  {}", counted(notes, "note")),
        (faults, 0) => counted(faults, "fault"),
        (faults, notes) => format!("{}  {}", counted(faults, "fault"), counted(notes, "note")),
    }
}

/// Ends the list of findings and the object, with the members of `rest`.
fn close(rest: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let members = serde_json::to_string(rest)?;
    writeln!(out, "],{}", members.trim_start_matches('{'))
}

#[cfg(test)]
mod tests {
    use blkreplay_core::format::{Fault, Place};

    use super::*;

    fn finding() -> Finding {
        let place = Place { offset: 300, chunk: Some(2), event: Some(17) };
        Finding { place, fault: Fault::BlockTwice { id: 4 } }
    }

    #[test]
    fn json_is_one_object_however_it_ends() {
        for findings in 0..3 {
            let mut out = Vec::new();
            let mut json = Findings::new(Path::new("a \"b\""), true, false);
            for _ in 0..findings {
                json.finding(&finding(), &mut out).unwrap();
            }
            let mut cut = out.clone();
            json.sums(&Checked { faults: findings, ..Checked::default() }, &mut out).unwrap();
            let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(object["schema"], "blkreplay.check/1");
            assert_eq!(object["path"], "a \"b\"");
            assert_eq!(object["findings"].as_array().unwrap().len() as u64, findings);
            assert_eq!(object["faults"], findings);
            if findings > 0 {
                assert_eq!(object["findings"][0]["code"], "block-twice");
                let mut json = Findings::new(Path::new("a"), true, false);
                json.begun = true;
                json.abandon("no more", &mut cut).unwrap();
                let object: serde_json::Value = serde_json::from_slice(&cut).unwrap();
                assert_eq!(object["trouble"], "no more");
            }
        }
    }

    #[test]
    fn a_hint_is_given_once() {
        let mut out = Vec::new();
        let mut text = Findings::new(Path::new("t.blkr"), false, false);
        text.finding(&finding(), &mut out).unwrap();
        text.finding(&finding(), &mut out).unwrap();
        text.sums(&Checked { faults: 2, notes: 1, ..Checked::default() }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("hint:").count(), 1, "{text}");
        let line = "t.blkr: fault block-twice at byte 300, chunk 2, event 17: request 4 is completed a second time";
        assert_eq!(text.lines().next(), Some(line));
        assert!(text.contains("t.blkr  2 faults  1 note  0 B  0 chunks"), "{text}");
    }
}
