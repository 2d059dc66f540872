//! Signals as messages. The system's signals come in, [`Signal`]s in order go out, on whichever thread asks.
//!
//! It decides nothing: what a signal means is the business of the command. Invariant: once caught, no signal
//! of the list ends the process by itself, so that sockets are removed and traces finished.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_core::engine::Engine;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals as SystemSignals};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::waiting;

/// How often somebody who waits for something else looks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The terminal's: SIGINT or SIGQUIT. A COMMAND in the foreground gets them, too.
    Interrupt,
    /// SIGTERM, sent to us alone.
    Terminate,
    /// SIGHUP, sent to us alone or to all.
    HangUp,
    /// A child changed state.
    Child,
}

/// The signals that came and were not asked for yet.
#[derive(Debug)]
pub(crate) struct Signals {
    incoming: Receiver<Signal>,
    handle: Handle,
}

impl Signals {
    /// Catches signals from now on. SIGHUP is left alone if whoever started us ignores it (`nohup`).
    pub(crate) fn catch() -> io::Result<Signals> {
        let mut list = vec![SIGINT, SIGQUIT, SIGTERM, SIGCHLD];
        if !hang_up_is_ignored() {
            list.push(SIGHUP);
        }
        let mut system = SystemSignals::new(list)?;
        let handle = system.handle();
        let (sender, incoming) = mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for number in system.forever() {
                let signal = match number {
                    SIGCHLD => Signal::Child,
                    SIGTERM => Signal::Terminate,
                    SIGHUP => Signal::HangUp,
                    _ => Signal::Interrupt,
                };
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })?;
        Ok(Signals { incoming, handle })
    }

    /// The next signal; `None` if there is none until `deadline`.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<Signal> {
        let Some(deadline) = deadline else {
            return self.incoming.recv().ok();
        };
        let left = deadline.saturating_duration_since(Instant::now());
        self.incoming.recv_timeout(left).ok()
    }
}

impl Signals {
    /// Does something that may take long and cannot be stopped halfway; `None` if somebody interrupts first,
    /// and then the process should end.
    pub(crate) fn unless_interrupted<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (sender, done) = mpsc::channel();
        thread::Builder::new().name("prepare".to_owned()).spawn(move || {
            // Nobody waits for it any more when it was interrupted.
            let _ = sender.send(work());
        })?;
        loop {
            match done.recv_timeout(LOOK) {
                Ok(result) => return Ok(Some(result)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("its thread ended before its time"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Some(signal) = self.next(Some(Instant::now())) {
                if signal != Signal::Child {
                    return Ok(None);
                }
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// A flag that a signal sets.
pub(crate) fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let cannot = |error| Failure::because("cannot catch signals", error);
    let signals = Signals::catch().map_err(cannot)?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let wait = move || {
        while let Some(signal) = signals.next(None) {
            if signal != Signal::Child {
                flag.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::Builder::new().name("interrupt".to_owned()).spawn(wait).map_err(cannot)?;
    Ok(stop)
}

/// Says what waits for what whenever somebody sends SIGUSR1; until it is dropped.
pub(crate) fn tell_when_asked(engine: &Arc<Engine>, printer: &Printer) -> Result<Asked, Failure> {
    let cannot = |error| Failure::because("cannot catch signals", error);
    let mut signals = SystemSignals::new([SIGUSR1]).map_err(cannot)?;
    let handle = signals.handle();
    let (engine, printer) = (Arc::clone(engine), printer.clone());
    let wait = move || {
        for _ in signals.forever() {
            let waiting = engine.waiting();
            for line in waiting::lines(&waiting) {
                printer.say("waiting", line);
            }
        }
    };
    thread::Builder::new().name("asked".to_owned()).spawn(wait).map_err(cannot)?;
    Ok(Asked(handle))
}

/// Ends the thread of [`tell_when_asked`] when it is dropped.
#[derive(Debug)]
pub(crate) struct Asked(Handle);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Whether SIGHUP was ignored when we were started. Linux tells; elsewhere it counts as not ignored.
fn hang_up_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (SIGHUP - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_nobody_interrupts_gives_its_result() {
        let signals = Signals::catch().unwrap();
        assert_eq!(signals.unless_interrupted(|| 7).unwrap(), Some(7));
    }
}
