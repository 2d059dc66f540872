//! Which layout a log is in, found by trying, and what the log holds. A file comes in, facts go out.
//!
//! All layouts that come into question are read side by side, and one that meets what it has no event for is out; the
//! right one reads every byte and ends on the end event. Invariants: memory does not grow with the log; a log is read
//! to its end once, or twice if its version is wrong.

use std::cmp::Reverse;
use std::io::{Read, Seek, SeekFrom};

use super::encode::HEADER_BYTES;
use super::header::{LogError, LogHeader};
use super::layout::{LAYOUTS, Layout};
use super::scan::{Scan, Tally};
use super::stop::Stop;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 256 << 10;

/// How a layout was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It was asked for.
    Forced,
    /// The version has no other.
    Version,
    /// It fits best of those of the version.
    Trial,
    /// The log has no version that is known; it fits best of all.
    Unversioned,
    /// It reads the log to its end, and none of those of the version does.
    Against,
}

impl Choice {
    /// All of them, as they are told.
    pub const NAMES: [(Choice, &'static str); 5] = [
        (Choice::Forced, "asked for"),
        (Choice::Version, "the only one of its version"),
        (Choice::Trial, "found by trying those of its version"),
        (Choice::Unversioned, "found by trying all: the log names no version that is known"),
        (Choice::Against, "found by trying all: none of its version reads the log"),
    ];

    /// How it is told.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// What a log is and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The header.
    pub header: LogHeader,
    /// The layout.
    pub layout: &'static Layout,
    /// How it was found.
    pub choice: Choice,
    /// Others that were tried and read the log just as far.
    pub others: Vec<&'static Layout>,
    /// What there is.
    pub tally: Tally,
    /// How long the file is, in bytes.
    pub file_bytes: u64,
    /// Why it is not whole; `None` if it is.
    pub stop: Option<Stop>,
}

/// Reads all of a log, in the layout that is asked for or in the one that fits.
pub fn survey<R: Read + Seek>(
    mut input: R,
    forced: Option<&'static Layout>,
) -> Result<Survey, LogError> {
    let header = start(&mut input)?;
    let (layouts, choice) = question(header, forced);
    let mut trial = Trial::new(&layouts);
    trial.run(&mut input, Until::End)?;
    let survey = trial.survey(header, choice);
    let by_version = matches!(choice, Choice::Version | Choice::Trial);
    if !(by_version && survey.stop.as_ref().is_some_and(Stop::is_loss)) {
        return Ok(survey);
    }
    start(&mut input)?;
    let mut all = Trial::new(&LAYOUTS.iter().collect::<Vec<_>>());
    all.run(&mut input, Until::End)?;
    let other = all.survey(header, Choice::Against);
    let fits = other.stop.is_none() && other.tally.oddities == 0;
    Ok(if fits { other } else { survey })
}

/// Finds the layout that fits, reading no more than that takes: to where one is left that does.
pub fn choose<R: Read + Seek>(
    mut input: R,
    forced: Option<&'static Layout>,
) -> Result<(LogHeader, &'static Layout), LogError> {
    let header = start(&mut input)?;
    let (layouts, choice) = question(header, forced);
    let mut trial = Trial::new(&layouts);
    if layouts.len() > 1 {
        trial.run(&mut input, Until::OneIsLeft)?;
    }
    Ok((header, trial.survey(header, choice).layout))
}

fn start<R: Read + Seek>(input: &mut R) -> Result<LogHeader, LogError> {
    let place = input.seek(SeekFrom::Start(0));
    place.map_err(|source| LogError::Read { at: 0, source })?;
    LogHeader::take(input)
}

/// The layouts that come into question, and what it means to be one.
fn question(header: LogHeader, forced: Option<&'static Layout>) -> (Vec<&'static Layout>, Choice) {
    let layouts = match forced {
        Some(layout) => return (vec![layout], Choice::Forced),
        None => header.candidates(),
    };
    let choice = match layouts.len() {
        1 => Choice::Version,
        _ if layouts.len() == LAYOUTS.len() => Choice::Unversioned,
        _ => Choice::Trial,
    };
    (layouts, choice)
}

/// How far a trial goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    OneIsLeft,
}

/// Layouts that are read side by side.
#[derive(Debug)]
struct Trial {
    scans: Vec<Scan>,
    /// What was read and some layout still needs.
    window: Vec<u8>,
    /// Where the window lies in the file.
    base: u64,
}

impl Trial {
    fn new(layouts: &[&'static Layout]) -> Trial {
        let scans = layouts.iter().map(|layout| Scan::new(layout)).collect();
        Trial { scans, window: Vec::new(), base: HEADER_BYTES as u64 }
    }

    fn run(&mut self, input: &mut impl Read, until: Until) -> Result<(), LogError> {
        while self.fill(input)? {
            for scan in self.scans.iter_mut().filter(|scan| scan.is_live()) {
                let from = usize::try_from(scan.at() - self.base).unwrap_or(usize::MAX);
                scan.feed(self.window.get(from..).unwrap_or_default());
            }
            let live = self.scans.iter().filter(|scan| scan.is_live());
            if until == Until::OneIsLeft && live.clone().count() <= 1 {
                return Ok(());
            }
            let needed = live.map(Scan::at).min().unwrap_or(u64::MAX);
            let done = usize::try_from(needed - self.base).unwrap_or(usize::MAX);
            let done = done.min(self.window.len());
            self.window.drain(..done);
            self.base += done as u64;
        }
        Ok(())
    }

    /// Reads more; gives whether there was more.
    fn fill(&mut self, input: &mut impl Read) -> Result<bool, LogError> {
        let at = self.base + self.window.len() as u64;
        let read = input.by_ref().take(READ_BYTES as u64).read_to_end(&mut self.window);
        Ok(read.map_err(|source| LogError::Read { at, source })? > 0)
    }

    /// What is to be said, as far as was read.
    fn survey(&self, header: LogHeader, choice: Choice) -> Survey {
        let file_bytes = self.base + self.window.len() as u64;
        let reach = |scan: &Scan| {
            let whole = scan.has_ended() && scan.at() == file_bytes;
            (Reverse(whole), Reverse(scan.at()), scan.oddities())
        };
        let best = self.scans.iter().min_by_key(|scan| (reach(scan), scan.layout().rank));
        let best = best.expect("at least one layout is tried");
        let alike = self.scans.iter().filter(|scan| reach(scan) == reach(best));
        let others = alike.map(Scan::layout).filter(|layout| *layout != best.layout());
        Survey {
            header,
            layout: best.layout(),
            choice,
            others: others.collect(),
            tally: best.tally(),
            file_bytes,
            stop: best.stop(file_bytes),
        }
    }
}
