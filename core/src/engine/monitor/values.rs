//! What a machine takes from the world: times, random bytes, what devices outside say. From the world while recording
//! or off, from the log in a replay.
//!
//! The world is a closure, called outside the engine's lock, and not called in a replay. Invariant: a value that was
//! logged is what the guest got.

use super::super::monitor_divergence::MonitorAct;
use super::{Monitor, MonitorError};
use crate::event::{AudioIn, ClockKind, EventData, EventDataError, EventKind, ShutdownCause};
use crate::limits::EVENT_BYTES_MAX;

impl Monitor {
    /// Reads a clock, in nanoseconds since its own beginning (QEMU: `replay_clock`; `replay_save_clock`,
    /// `replay_read_clock`).
    pub fn clock(
        &mut self,
        clock: ClockKind,
        world: impl FnOnce() -> i64,
    ) -> Result<i64, MonitorError> {
        let live = || EventKind::Clock { clock, value: world() };
        match self.value(MonitorAct::Clock(clock), live)? {
            EventKind::Clock { value, .. } => Ok(value),
            other => unreachable_kind(&other),
        }
    }

    /// Fills `bytes`, at most `EVENT_BYTES_MAX`, with random ones, and returns what their source returned: 0, or less
    /// for an error (QEMU: `replay_save_random`, `replay_read_random`).
    pub fn random(
        &mut self,
        bytes: &mut [u8],
        world: impl FnOnce(&mut [u8]) -> i32,
    ) -> Result<i32, MonitorError> {
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(EventDataError { found: bytes.len() }.into());
        }
        let act = MonitorAct::Random { bytes: bytes.len() as u64 };
        let drawn = &mut *bytes;
        let live = move || {
            let result = world(drawn);
            let data = EventData::new(drawn.to_vec()).expect("its length was checked");
            EventKind::Random { result, data }
        };
        match self.value(act, live)? {
            EventKind::Random { result, data } => {
                bytes.copy_from_slice(&data);
                Ok(result)
            }
            other => unreachable_kind(&other),
        }
    }

    /// Writes to a character device. Returns how much it took, in bytes, or less than 0 for an error, and how much had
    /// been written then (QEMU: `replay_char_write_event_save`, `replay_char_write_event_load`).
    pub fn char_write(
        &mut self,
        world: impl FnOnce() -> (i32, i32),
    ) -> Result<(i32, i32), MonitorError> {
        let live = || {
            let (result, offset) = world();
            EventKind::CharWrite { result, offset }
        };
        match self.value(MonitorAct::CharWrite, live)? {
            EventKind::CharWrite { result, offset } => Ok((result, offset)),
            other => unreachable_kind(&other),
        }
    }

    /// Reads a character device until enough is there; or an error, less than 0 (QEMU: `replay_char_read_all_save_buf`,
    /// `replay_char_read_all_save_error`, `replay_char_read_all_load`).
    pub fn char_read_all(
        &mut self,
        world: impl FnOnce() -> Result<EventData, i32>,
    ) -> Result<Result<EventData, i32>, MonitorError> {
        let live = || match world() {
            Ok(data) => EventKind::CharReadAll { data },
            Err(error) => EventKind::CharReadAllError { error },
        };
        match self.value(MonitorAct::CharReadAll, live)? {
            EventKind::CharReadAll { data } => Ok(Ok(data)),
            EventKind::CharReadAllError { error } => Ok(Err(error)),
            other => unreachable_kind(&other),
        }
    }

    /// Plays samples; returns how many were played (QEMU: `replay_audio_out`).
    pub fn audio_out(&mut self, world: impl FnOnce() -> u64) -> Result<u64, MonitorError> {
        match self.value(MonitorAct::AudioOut, || EventKind::AudioOut { played: world() })? {
            EventKind::AudioOut { played } => Ok(played),
            other => unreachable_kind(&other),
        }
    }

    /// Records samples (QEMU: `replay_audio_in`).
    pub fn audio_in(&mut self, world: impl FnOnce() -> AudioIn) -> Result<AudioIn, MonitorError> {
        match self.value(MonitorAct::AudioIn, || EventKind::AudioIn(world()))? {
            EventKind::AudioIn(audio) => Ok(audio),
            other => unreachable_kind(&other),
        }
    }

    /// The guest takes an interrupt (QEMU: `replay_interrupt`). Where that depends on the host's time, a replay asks
    /// [`Monitor::next_recorded`] whether it is to take one.
    pub fn interrupt(&mut self) -> Result<(), MonitorError> {
        self.value(MonitorAct::Interrupt, || EventKind::Interrupt).map(drop)
    }

    /// The guest takes an exception (QEMU: `replay_exception`).
    pub fn exception(&mut self) -> Result<(), MonitorError> {
        self.value(MonitorAct::Exception, || EventKind::Exception).map(drop)
    }

    /// Whether somebody wants the guest to go down, and who (QEMU: `replay_shutdown_request`). Nothing is logged while
    /// nobody does. A replay says so when the log has it next, and the guest has executed as many instructions: a
    /// monitor that counts none must not do anything else between two times that it asks.
    pub fn shutdown(
        &mut self,
        world: impl FnOnce() -> Option<ShutdownCause>,
    ) -> Result<Option<ShutdownCause>, MonitorError> {
        if !self.follows() {
            let cause = world();
            if let Some(cause) = cause {
                self.value(MonitorAct::Shutdown(cause), || EventKind::Shutdown { cause })?;
            }
            return Ok(cause);
        }
        match self.look_ahead()? {
            Some((executed, EventKind::Shutdown { cause })) if executed == self.executed => {
                self.follow(MonitorAct::Shutdown(cause))?;
                Ok(Some(cause))
            }
            _ => Ok(None),
        }
    }

    /// Takes a value from the world, or from the log in its place.
    fn value(
        &mut self,
        act: MonitorAct,
        live: impl FnOnce() -> EventKind,
    ) -> Result<EventKind, MonitorError> {
        if self.follows() {
            return self.follow(act);
        }
        let kind = live();
        if self.engine.is_recording() {
            self.engine.log_value(&kind, &mut self.executed);
        }
        Ok(kind)
    }
}

/// A value of another kind than was asked for.
fn unreachable_kind(kind: &EventKind) -> ! {
    unreachable!("{} is not what was asked for, and what was has been compared", kind.name())
}
