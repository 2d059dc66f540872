//! A monitor in a replay: asks the conductor, does what comes of it, and waits where it must.
//!
//! Invariant: it sleeps only while it looks at the clock in between, so that every wait ends within the rules' patience.

use std::time::Duration;

use super::super::async_event::Due;
use super::super::conductor::{Conductor, Met, Output, Phase};
use super::super::monitor_divergence::MonitorAct;
use super::super::{Engine, Mode};
use super::{Monitor, MonitorError};
use crate::event::EventKind;
use crate::units::Nanos;

/// Longest sleep between two looks at the clock.
const NAP: Duration = Duration::from_millis(100);

impl Monitor {
    /// Whether what it does is held against a log.
    pub(super) fn follows(&self) -> bool {
        matches!(self.engine.mode, Mode::Replay(_)) && self.engine.events_enabled()
    }

    /// Does what must be the next of the log; returns what the log has there.
    pub(super) fn follow(&mut self, act: MonitorAct) -> Result<EventKind, MonitorError> {
        let mut met = self.meet(act);
        loop {
            match met {
                Met::Done(kind) => return Ok(kind),
                Met::NotNext => {
                    let executed = self.executed;
                    self.conduct(|conductor, now, out| conductor.mismatch(act, executed, now, out));
                    return Err(MonitorError::Stopped);
                }
                Met::Stopped => return Err(MonitorError::Stopped),
                Met::Wait => {}
            }
            self.bell.clear();
            self.pump();
            met = self.meet(act);
            if matches!(met, Met::Wait) {
                self.sleep();
            }
        }
    }

    /// Does something if it is the next of the log.
    pub(super) fn meet(&mut self, act: MonitorAct) -> Met {
        let executed = self.executed;
        let met = self.conduct(|conductor, now, out| conductor.meet(act, executed, now, out));
        if matches!(met, Met::Done(_)) {
            self.executed = 0;
        }
        met
    }

    /// What the log releases next at the checkpoint that was passed.
    pub(super) fn next_replayed(&mut self) -> Result<Option<Due>, MonitorError> {
        loop {
            self.bell.clear();
            if self.conduct(|conductor, _, _| conductor.phase() == Phase::Stopped) {
                return Err(MonitorError::Stopped);
            }
            if let Some(due) = self.engine.lock().queue.next_due() {
                return Ok(Some(due));
            }
            self.pump();
            if !self.running {
                return Ok(self.engine.lock().queue.next_due());
            }
            let met = self.conduct(Conductor::hand_over);
            if let Some(due) = self.engine.lock().queue.next_due() {
                return Ok(Some(due));
            }
            match met {
                Met::Wait => self.sleep(),
                Met::Stopped => return Err(MonitorError::Stopped),
                Met::Done(_) | Met::NotNext => return Ok(None),
            }
        }
    }

    /// What the log has next.
    pub(super) fn look_ahead(&mut self) -> Result<Option<(u64, EventKind)>, MonitorError> {
        loop {
            self.bell.clear();
            match self.conduct(|conductor, _, _| conductor.ahead()) {
                Ok(next) => return Ok(Some(next)),
                Err(Met::Wait) => self.sleep(),
                Err(Met::Stopped) => return Err(MonitorError::Stopped),
                Err(Met::Done(_) | Met::NotNext) => return Ok(None),
            }
        }
    }

    /// Sleeps until something has happened. The bell was cleared before it was looked for.
    fn sleep(&mut self) {
        self.bell.wait(NAP);
        self.look_at_clock();
    }

    /// What is waited for for too long is missing.
    pub(super) fn look_at_clock(&mut self) {
        self.conduct(|conductor, now, out| {
            conductor.monitor_waits(now);
            conductor.tick(now, out);
        });
    }

    /// Does something with the conductor, and what comes of it.
    fn conduct<T>(&self, act: impl FnOnce(&mut Conductor, Nanos, &mut Output) -> T) -> T {
        let Mode::Replay(play) = &self.engine.mode else {
            unreachable!("only a replay has a conductor");
        };
        play.wait_for_log();
        let mut state = self.engine.lock();
        let now = self.engine.now();
        let mut out = Output::with_log(play.recorder.is_some());
        let conductor = state.conductor.as_mut().expect("a replay has one from its begin");
        let result = act(conductor, now, &mut out);
        let more = conductor.needs_player();
        self.engine.apply(play, &mut state, out, &self.own);
        drop(state);
        if more {
            play.player.bell().ring();
        }
        result
    }

    /// The machine is gone.
    pub(super) fn leave(&mut self) {
        if matches!(self.engine.mode, Mode::Replay(_)) {
            self.conduct(Conductor::monitor_left);
        }
    }
}

impl Engine {
    /// Whether what a monitor takes from the world is logged.
    pub(super) fn is_recording(&self) -> bool {
        matches!(self.mode, Mode::Record { .. })
    }
}
