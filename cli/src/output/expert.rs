//! What is worth a look in a trace, as lines and as JSON. Findings come in, text goes out.
//!
//! Invariant: of each code the first are told and all are counted, so that a million of one kind takes a few lines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::units::Nanos;
use blkreplay_core::view::findings::{Finding, Level};
use serde::Serialize;

use super::printable;
use crate::expert::{Asked, Levels};
use crate::input;
use crate::words::{Count, counted};

const FINDING: &str = "blkreplay.finding/1";
const SUMS: &str = "blkreplay.findings/1";

/// So many of a code are told unless all are asked for.
const TOLD: u64 = 10;

/// Why nothing is found in a log of QEMU's.
pub(crate) const LOG_UNKNOWN: &str =
    "a log of QEMU's has no offsets, data, results and times of requests: findings cannot be known";

/// Writes what is found in one trace.
#[derive(Debug)]
pub(crate) struct Lines {
    path: String,
    /// What `path` is in a command.
    word: String,
    devices: Vec<String>,
    asked: Asked,
    /// How many there are by code.
    codes: BTreeMap<&'static str, (Level, u64)>,
    levels: Levels,
    /// Rules of which it was said what to do.
    hinted: BTreeSet<&'static str>,
}

#[derive(Debug, Serialize)]
struct FindingJson<'a> {
    schema: &'static str,
    path: &'a str,
    code: &'static str,
    level: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<&'a str>,
    event: u64,
    t: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    text: String,
    about: &'static str,
}

#[derive(Debug, Serialize)]
struct SumsJson<'a> {
    schema: &'static str,
    path: &'a str,
    error: u64,
    warn: u64,
    info: u64,
    codes: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    unknown: String,
}

impl Lines {
    /// For the trace at `path` with these devices.
    pub(crate) fn new(path: &Path, devices: Vec<String>, asked: Asked) -> Lines {
        Lines {
            path: input::name(path).display().to_string(),
            word: input::word(path),
            devices,
            asked,
            codes: BTreeMap::new(),
            levels: Levels::default(),
            hinted: BTreeSet::new(),
        }
    }

    /// Counts a finding, and writes it if it is to be told.
    pub(crate) fn finding(&mut self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        let rule = finding.rule;
        self.levels.count(rule.level);
        let (level, count) = self.codes.entry(rule.code).or_insert((rule.level, 0));
        *level = rule.level.max(*level);
        *count += 1;
        if *count > TOLD && !self.asked.all {
            return Ok(());
        }
        if self.asked.json { self.json(finding, out) } else { self.text(finding, out) }
    }

    fn text(&mut self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        let (rule, path) = (finding.rule, printable(&self.path));
        let (code, level) = (rule.code, rule.level.name());
        let place = match finding.request {
            Some(id) => id.to_string(),
            None => format!("event {}", finding.event),
        };
        let device = match self.device(finding).filter(|_| self.devices.len() > 1) {
            Some(device) => format!(" on {}", printable(device)),
            None => String::new(),
        };
        let time = seconds(finding.time);
        let text = finding.to_string();
        writeln!(
            out,
            "{path}: finding {code} {level} {}  {place}{device} at {time}: {}",
            rule.name,
            printable(&text)
        )?;
        if self.hinted.insert(rule.name) {
            writeln!(out, "  hint: {}", rule.about)?;
            writeln!(out, "  look: blkreplay print {} {}", self.word, shown(finding))?;
        }
        Ok(())
    }

    fn device(&self, finding: &Finding) -> Option<&str> {
        let device = self.devices.get(usize::from(finding.device?.0))?;
        Some(device)
    }

    fn json(&self, finding: &Finding, out: &mut impl Write) -> io::Result<()> {
        let object = FindingJson {
            schema: FINDING,
            path: &self.path,
            code: finding.rule.code,
            level: finding.rule.level.name(),
            name: finding.rule.name,
            id: finding.request.map(|id| id.0),
            other: finding.other.map(|id| id.0),
            dev: self.device(finding),
            event: finding.event,
            t: finding.time.0,
            off: finding.range.map(|range| range.offset),
            len: finding.range.map(|range| range.length),
            text: finding.to_string(),
            about: finding.rule.about,
        };
        serde_json::to_writer(&mut *out, &object)?;
        out.write_all(b"\n")
    }

    /// Writes how many there are, and what `unknown` says cannot be known.
    pub(crate) fn sums(self, unknown: &[&str], out: &mut impl Write) -> io::Result<Levels> {
        let [info, warn, error] = self.levels.0;
        if self.asked.json {
            let codes = self.codes.iter().map(|(code, (_, count))| (*code, *count)).collect();
            let (path, unknown) = (&self.path, unknown.join("; "));
            let sums = SumsJson { schema: SUMS, path, error, warn, info, codes, unknown };
            serde_json::to_writer(&mut *out, &sums)?;
            out.write_all(b"\n")?;
            return Ok(self.levels);
        }
        let path = printable(&self.path);
        for (code, (level, count)) in &self.codes {
            if *count > TOLD && !self.asked.all {
                let more = Count(*count - TOLD);
                writeln!(
                    out,
                    "{path}: finding {code} {}  {more} more: --all tells them",
                    level.name()
                )?;
            }
        }
        for unknown in unknown {
            writeln!(out, "{path}: {unknown}")?;
        }
        let all = error + warn + info;
        if all == 0 {
            let nothing = if unknown.is_empty() { "no findings" } else { "nothing else was found" };
            writeln!(out, "{path}  {nothing}")?;
            return Ok(self.levels);
        }
        let levels = Level::NAMES.iter().rev().filter(|(level, _)| self.levels.of(*level) > 0);
        let levels: Vec<_> = levels
            .map(|(level, name)| format!("{} {name}", Count(self.levels.of(*level))))
            .collect();
        writeln!(out, "{path}  {}: {}", counted(all, "finding"), levels.join(", "))?;
        Ok(self.levels)
    }
}

/// The words behind `blkreplay print TRACE` that show it.
fn shown(finding: &Finding) -> String {
    match (finding.request, finding.other) {
        (Some(id), Some(other)) => format!("-f 'id in {{{}, {}}}'", other.0, id.0),
        (Some(id), None) => format!("-f 'id == {}'", id.0),
        (None, Some(other)) => format!("-f 'id >= {}' -n 10", other.0),
        (None, None) if finding.rule.name == "cut" => "--events --tail 10".to_owned(),
        (None, None) => format!("--events --at event:{} -n 10", finding.event),
    }
}

/// As `print` has it.
fn seconds(time: Nanos) -> String {
    format!("{}.{:06}", time.0 / 1_000_000_000, time.0 % 1_000_000_000 / 1000)
}
