//! Where a virtual machine monitor does not do what it did when it was recorded.
//!
//! Facts; sentences are made from them elsewhere. QEMU has a word for few of these: it waits, or takes the last time it
//! knows (replay/replay-time.c). Invariant: what the log has and what the monitor did are both told, as far as there is
//! either.

use std::fmt;

use crate::event::{Checkpoint, ClockKind, EventKind, ShutdownCause};
use crate::units::Nanos;

/// A point where a monitor does not do what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorDivergence {
    /// How it differs.
    pub mismatch: MonitorMismatch,
    /// What the log has next for the monitor; `None` if nothing.
    pub expected: Option<EventKind>,
    /// Instructions that the guest had executed there, since the last thing that the monitor did.
    pub expected_executed: u64,
    /// What the monitor did; `None` if it did nothing.
    pub came: Option<MonitorAct>,
    /// Instructions that the guest has executed now.
    pub executed: u64,
}

/// How what a monitor does differs from what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorMismatch {
    /// It does something else, or something more.
    Unexpected,
    /// It does the same otherwise.
    Changed {
        /// In what.
        fields: Vec<MonitorField>,
    },
    /// It does not do what the log has next.
    Missing {
        /// How long it was waited for; 0 if it will not come.
        waited: Nanos,
    },
}

/// What a monitor does, which is logged, or held against the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorAct {
    /// Passes a checkpoint.
    Checkpoint(Checkpoint),
    /// Reads a clock.
    Clock(ClockKind),
    /// Draws random bytes.
    Random {
        /// How many.
        bytes: u64,
    },
    /// Writes to a character device.
    CharWrite,
    /// Reads a character device until it has enough.
    CharReadAll,
    /// Plays samples.
    AudioOut,
    /// Records samples.
    AudioIn,
    /// Takes an interrupt.
    Interrupt,
    /// Takes an exception.
    Exception,
    /// Goes down.
    Shutdown(ShutdownCause),
}

/// In what two acts of a monitor can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorField {
    /// Which checkpoint it is.
    Checkpoint,
    /// Which clock it is.
    Clock,
    /// How many bytes.
    Length,
    /// How many instructions the guest had executed.
    Instructions,
}

impl MonitorMismatch {
    /// The printed name, as that of a divergence.
    pub fn name(&self) -> &'static str {
        match self {
            MonitorMismatch::Unexpected => "unexpected",
            MonitorMismatch::Changed { .. } => "changed",
            MonitorMismatch::Missing { .. } => "missing",
        }
    }
}

impl MonitorField {
    /// All fields with their printed names.
    pub const NAMES: [(MonitorField, &'static str); 4] = [
        (MonitorField::Checkpoint, "checkpoint"),
        (MonitorField::Clock, "clock"),
        (MonitorField::Length, "length"),
        (MonitorField::Instructions, "instructions"),
    ];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

impl MonitorAct {
    /// The printed name of the kind of event that it is.
    pub fn name(self) -> &'static str {
        match self {
            MonitorAct::Checkpoint(_) => "checkpoint",
            MonitorAct::Clock(_) => "clock",
            MonitorAct::Random { .. } => "random",
            MonitorAct::CharWrite => "char_write",
            MonitorAct::CharReadAll => "char_read_all",
            MonitorAct::AudioOut => "audio_out",
            MonitorAct::AudioIn => "audio_in",
            MonitorAct::Interrupt => "interrupt",
            MonitorAct::Exception => "exception",
            MonitorAct::Shutdown(_) => "shutdown",
        }
    }

    /// In what it differs from what was `recorded` after so many instructions; `None` if that is something else.
    pub(super) fn differing(
        self,
        executed: u64,
        recorded: &EventKind,
        recorded_executed: u64,
    ) -> Option<Vec<MonitorField>> {
        let field = match (self, recorded) {
            (MonitorAct::Checkpoint(one), EventKind::Checkpoint(other)) => {
                (one != *other).then_some(MonitorField::Checkpoint)
            }
            (MonitorAct::Clock(one), EventKind::Clock { clock: other, .. }) => {
                (one != *other).then_some(MonitorField::Clock)
            }
            (MonitorAct::Random { bytes }, EventKind::Random { data, .. }) => {
                (bytes != data.len() as u64).then_some(MonitorField::Length)
            }
            (MonitorAct::Shutdown(one), EventKind::Shutdown { cause }) if one == *cause => None,
            (MonitorAct::CharWrite, EventKind::CharWrite { .. })
            | (
                MonitorAct::CharReadAll,
                EventKind::CharReadAll { .. } | EventKind::CharReadAllError { .. },
            )
            | (MonitorAct::AudioOut, EventKind::AudioOut { .. })
            | (MonitorAct::AudioIn, EventKind::AudioIn(_))
            | (MonitorAct::Interrupt, EventKind::Interrupt)
            | (MonitorAct::Exception, EventKind::Exception) => None,
            _ => return None,
        };
        let late = (executed != recorded_executed).then_some(MonitorField::Instructions);
        Some(field.into_iter().chain(late).collect())
    }
}

/// One sentence, which says what the machine did and what the recording has.
impl fmt::Display for MonitorDivergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = self.expected.as_ref().map(recorded_words);
        let expected = expected.as_deref().unwrap_or("nothing more");
        let Some(came) = self.came else {
            let MonitorMismatch::Missing { waited } = self.mismatch else {
                return write!(f, "the recording has {expected}");
            };
            let waited = match waited {
                Nanos(0) => String::new(),
                waited => format!(", which was waited for for {waited}"),
            };
            return write!(f, "the machine does not do what the recording has: {expected}{waited}");
        };
        let (now, then) = (after(self.executed), after(self.expected_executed));
        let then = if self.expected.is_some() { then } else { String::new() };
        write!(f, "the machine did {}{now}, the recording has {expected}{then}", act_words(came))
    }
}

fn after(executed: u64) -> String {
    format!(" after {executed} instruction{}", if executed == 1 { "" } else { "s" })
}

fn act_words(act: MonitorAct) -> String {
    match act {
        MonitorAct::Checkpoint(which) => format!("{} {}", act.name(), which.name()),
        MonitorAct::Clock(clock) => format!("{} {}", act.name(), clock.name()),
        MonitorAct::Random { bytes } => format!("{} of {bytes} bytes", act.name()),
        MonitorAct::Shutdown(cause) => format!("{} {}", act.name(), cause.name()),
        _ => act.name().to_owned(),
    }
}

fn recorded_words(kind: &EventKind) -> String {
    let name = kind.name();
    match kind {
        EventKind::Checkpoint(which) => format!("{name} {}", which.name()),
        EventKind::Clock { clock, .. } => format!("{name} {}", clock.name()),
        EventKind::Random { data, .. } => format!("{name} of {} bytes", data.len()),
        EventKind::Shutdown { cause } => format!("{name} {}", cause.name()),
        EventKind::Bh { id } | EventKind::BhOneshot { id } => format!("{name} {id}"),
        EventKind::Block(block) => format!("the end of request {}", block.id),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventData;

    #[test]
    fn fields_stand_in_their_table_at_their_number() {
        for (number, (field, name)) in MonitorField::NAMES.into_iter().enumerate() {
            assert_eq!(field as usize, number);
            assert_eq!(field.name(), name);
        }
    }

    #[test]
    fn an_act_differs_from_one_of_its_kind_in_fields_and_from_others_in_all() {
        let differing = |act: MonitorAct, recorded: EventKind| act.differing(7, &recorded, 7);
        let data = EventData::new(&b"1234"[..]).unwrap();
        let random = EventKind::Random { result: 0, data };
        assert_eq!(differing(MonitorAct::Random { bytes: 4 }, random.clone()), Some(vec![]));
        assert_eq!(
            MonitorAct::Random { bytes: 5 }.differing(7, &random, 8),
            Some(vec![MonitorField::Length, MonitorField::Instructions])
        );
        let clock = EventKind::Clock { clock: ClockKind::Host, value: 1 };
        assert_eq!(
            differing(MonitorAct::Clock(ClockKind::Virtual), clock.clone()),
            Some(vec![MonitorField::Clock])
        );
        assert_eq!(differing(MonitorAct::Interrupt, clock), None);
        let reset = EventKind::Checkpoint(Checkpoint::Reset);
        assert_eq!(
            differing(MonitorAct::Checkpoint(Checkpoint::Init), reset),
            Some(vec![MonitorField::Checkpoint])
        );
        let error = EventKind::CharReadAllError { error: -5 };
        assert_eq!(differing(MonitorAct::CharReadAll, error), Some(vec![]));
    }

    #[test]
    fn a_divergence_says_what_the_machine_did_and_what_the_recording_has() {
        let divergence = |mismatch, expected, came| MonitorDivergence {
            mismatch,
            expected,
            expected_executed: 40,
            came,
            executed: 1,
        };
        let random = Some(MonitorAct::Random { bytes: 4 });
        let unexpected = MonitorMismatch::Unexpected;
        let clock = Some(EventKind::Clock { clock: ClockKind::Host, value: 1 });
        assert_eq!(
            divergence(unexpected.clone(), clock, random).to_string(),
            "the machine did random of 4 bytes after 1 instruction, \
             the recording has clock host after 40 instructions"
        );
        assert_eq!(
            divergence(unexpected, None, random).to_string(),
            "the machine did random of 4 bytes after 1 instruction, \
             the recording has nothing more"
        );
        let missing = MonitorMismatch::Missing { waited: Nanos(11_000_000_000) };
        assert_eq!(
            divergence(missing, Some(EventKind::Bh { id: 7 }), None).to_string(),
            "the machine does not do what the recording has: bh 7, \
             which was waited for for 11.0s"
        );
    }
}
