//! Checks a log against what QEMU writes, and for what its replay hangs on: QEMU itself says nothing and waits.
//!
//! File in, findings out, in the order of the file. Source: QEMU, `replay/replay.c` (`replay_checkpoint`, `replay_finish`),
//! `replay/replay-events.c` (`replay_read_events`), `block/blkreplay.c`, and `icount_account_warp_timer`, from which alone
//! queued events are written since version 0xe0200b. Invariants: memory does not grow with the log; it reads to where the
//! log stops.

mod fault;
mod requests;

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;

pub use fault::{LogFault, LogFinding, LogPlace};

use self::requests::Requests;
use super::header::LogError;
use super::kind::LogKind;
use super::layout::{Layout, Nesting};
use super::reader::{LogEvent, LogReader};
use super::survey::{Choice, Survey, survey};
use crate::event::{Checkpoint, ClockKind, EventKind, ShutdownCause};
use crate::format::Level;

/// The most instructions that an event of QEMU's counts.
const INSTRUCTIONS_MAX: u64 = i32::MAX as u64;

/// After so many events the observer is told how far it is.
const TELL_EVENTS: u64 = 1 << 16;

/// Who is told what happens on the way. Either may end it.
pub trait LogInspector {
    /// Something was found.
    fn finding(&mut self, finding: LogFinding) -> ControlFlow<()>;
    /// So many bytes of the file were read.
    fn read(&mut self, bytes: u64, of: u64) -> ControlFlow<()>;
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChecked {
    /// Findings that are faults.
    pub faults: u64,
    /// Findings that are notes.
    pub notes: u64,
    /// What the log is and holds.
    pub survey: Survey,
    /// The observer wanted no more.
    pub stopped: bool,
}

/// Checks a log, in the layout that is asked for or in the one that fits.
pub fn check<R: Read + Seek>(
    mut input: R,
    forced: Option<&'static Layout>,
    inspector: &mut dyn LogInspector,
) -> Result<LogChecked, LogError> {
    let survey = survey(&mut input, forced)?;
    let begin = input.seek(SeekFrom::Start(0));
    begin.map_err(|source| LogError::Read { at: 0, source })?;
    let mut reader = LogReader::new(input, survey.layout)?;
    let mut check = Check::new(&survey, inspector);
    let outcome = check.run(&mut reader, &survey)?;
    let Check { faults, notes, .. } = check;
    Ok(LogChecked { faults, notes, survey, stopped: outcome.is_break() })
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about what was read so far"
)]
struct Check<'a> {
    inspector: &'a mut dyn LogInspector,
    layout: &'static Layout,
    faults: u64,
    notes: u64,
    requests: Requests,
    clocks: HashMap<ClockKind, i64>,
    /// The last one passed.
    checkpoint: Option<Checkpoint>,
    /// An asynchronous event lies behind it.
    released: bool,
    /// Checkpoints of timers were passed.
    timers: bool,
    /// The one from which queued events are written was passed.
    releases: bool,
    /// Somebody asked the machine to go down, but for the signal at the end of every log.
    asked: bool,
    signal: bool,
    place: LogPlace,
}

impl<'a> Check<'a> {
    fn new(survey: &Survey, inspector: &'a mut dyn LogInspector) -> Check<'a> {
        Check {
            inspector,
            layout: survey.layout,
            faults: 0,
            notes: 0,
            requests: Requests::default(),
            clocks: HashMap::new(),
            checkpoint: None,
            released: false,
            timers: false,
            releases: false,
            asked: false,
            signal: false,
            place: LogPlace::default(),
        }
    }

    fn run<R: Read>(
        &mut self,
        reader: &mut LogReader<R>,
        survey: &Survey,
    ) -> Result<ControlFlow<()>, LogError> {
        if self.header(survey).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut events = 0;
        while let Some(event) = reader.next_event()? {
            self.place = LogPlace { at: event.at, event: event.index, icount: event.icount };
            if self.event(&event).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            events += 1;
            if events % TELL_EVENTS == 0
                && self.inspector.read(event.at, survey.file_bytes).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(self.end(survey))
    }

    fn tell(&mut self, fault: LogFault) -> ControlFlow<()> {
        self.tell_at(self.place, fault)
    }

    fn tell_at(&mut self, place: LogPlace, fault: LogFault) -> ControlFlow<()> {
        match fault.level() {
            Level::Fault => self.faults += 1,
            Level::Note => self.notes += 1,
        }
        self.inspector.finding(LogFinding { place, fault })
    }

    fn header(&mut self, survey: &Survey) -> ControlFlow<()> {
        let (version, layout) = (survey.header.version, survey.layout);
        match survey.choice {
            _ if version == 0 => self.tell(LogFault::NoVersion)?,
            Choice::Unversioned => self.tell(LogFault::Version { found: version })?,
            Choice::Against => self.tell(LogFault::Layout { version, layout: layout.label })?,
            Choice::Forced if version != layout.version => {
                self.tell(LogFault::Layout { version, layout: layout.label })?;
            }
            Choice::Forced | Choice::Version | Choice::Trial => {}
        }
        match survey.header.reserved {
            0 => ControlFlow::Continue(()),
            found => self.tell(LogFault::Reserved { found }),
        }
    }

    fn event(&mut self, event: &LogEvent) -> ControlFlow<()> {
        match event.event.kind {
            EventKind::Instruction { count } if count == 0 || count > INSTRUCTIONS_MAX => {
                self.tell(LogFault::Instructions { count })
            }
            EventKind::Clock { clock, value } => self.clock(clock, value),
            EventKind::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
            EventKind::Shutdown { cause } => {
                self.signal = cause == ShutdownCause::HostSignal;
                self.asked |= !self.signal;
                ControlFlow::Continue(())
            }
            EventKind::BlockId { id } => {
                self.queued(event.checkpoint)?;
                match self.requests.completed(id.0, self.place) {
                    Some(fault) => self.tell(fault),
                    None => ControlFlow::Continue(()),
                }
            }
            EventKind::Bh { id } | EventKind::BhOneshot { id } => {
                self.queued(event.checkpoint)?;
                match event.icount {
                    icount if id > icount => self.tell(LogFault::BottomHalf { id, icount }),
                    _ => ControlFlow::Continue(()),
                }
            }
            EventKind::Input(_)
            | EventKind::InputSync
            | EventKind::CharRead { .. }
            | EventKind::Net { .. } => self.queued(event.checkpoint),
            _ => ControlFlow::Continue(()),
        }
    }

    fn clock(&mut self, clock: ClockKind, to: i64) -> ControlFlow<()> {
        match self.clocks.insert(clock, to) {
            Some(from) if to < from => self.tell(LogFault::ClockBackwards { clock, from, to }),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Whether an asynchronous event says its checkpoint.
    fn says_checkpoint(&self) -> bool {
        self.layout.nesting == Nesting::Checkpoint
    }

    /// An event that had been queued was written: up to version 0xe0200a at the checkpoint that it says.
    fn queued(&mut self, said: Option<Checkpoint>) -> ControlFlow<()> {
        self.released = true;
        match (said, self.checkpoint) {
            (Some(said), Some(last)) if said != last => {
                self.tell(LogFault::AsyncPlace { said, last })
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn checkpoint(&mut self, found: Checkpoint) -> ControlFlow<()> {
        let released = std::mem::take(&mut self.released);
        let last = self.checkpoint.replace(found);
        // A machine is built, reset, and then runs.
        let wanted = match last {
            None => Some(Checkpoint::Init),
            Some(Checkpoint::Init) => Some(Checkpoint::Reset),
            // Queued events are written before this one only.
            Some(_) if released && !self.says_checkpoint() => Some(Checkpoint::ClockWarpAccount),
            Some(_) => None,
        };
        self.releases |= found == Checkpoint::ClockWarpAccount;
        self.timers |= !matches!(found, Checkpoint::Init | Checkpoint::Reset);
        match wanted {
            Some(wanted) if found != wanted => {
                self.tell(LogFault::CheckpointOrder { found, wanted })
            }
            None if matches!(found, Checkpoint::Init | Checkpoint::Reset) => {
                self.tell(LogFault::CheckpointTwice { found })
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn end(&mut self, survey: &Survey) -> ControlFlow<()> {
        let finished = survey.stop.is_none_or(|stop| !stop.is_loss());
        for (place, fault) in self.requests.missing() {
            self.tell_at(place, fault)?;
        }
        if self.timers && !self.releases && !self.says_checkpoint() {
            self.tell(LogFault::NeverReleased)?;
        }
        let has_disks = self.layout.async_kinds().contains(&LogKind::Block);
        if finished && has_disks && survey.tally.blocks.completions == 0 {
            self.tell(LogFault::NoBlock)?;
        }
        if finished && self.signal && !self.asked {
            self.tell(LogFault::EndedBySignal)?;
        }
        match survey.stop {
            Some(stop) => {
                let place = LogPlace { at: stop.at, event: stop.event, icount: stop.icount };
                self.tell_at(place, LogFault::Stop(stop))
            }
            None => ControlFlow::Continue(()),
        }
    }
}
