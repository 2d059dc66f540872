//! How long a recording may be, in bytes and in time. Bounds come in; the engine is told to end the recording,
//! and people are told why.
//!
//! The size is watched by the engine itself, which alone sees what is on its way into the trace. Invariant:
//! whoever reads standard error knows which bound was reached, and is told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use blkreplay_core::engine::Engine;
use blkreplay_core::units::{Nanos, Size};

use crate::failure::Failure;
use crate::printer::Printer;

/// How often a bound is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The smallest trace that is worth its header.
const SIZE_MIN: u64 = 64 << 10;

/// When a recording ends by itself.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Bounds {
    /// Stop recording before the trace is larger than this (64M, 1G)
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Size>,

    /// Stop recording after this time (30s, 10m, 1.5h)
    #[arg(long, value_name = "TIME")]
    duration: Option<Nanos>,
}

/// Watches the bounds of a recording until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    reached: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bounds {
    /// Refuses bounds that no recording could keep.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.max_size {
            Some(size) if size.0 < SIZE_MIN => Err(Failure::new(format!(
                "--max-size {size} leaves no room for a trace: it is at least {}",
                Size(SIZE_MIN)
            ))),
            _ => Ok(()),
        }
    }

    /// Whether there are any.
    pub(crate) fn are_given(&self) -> bool {
        self.max_size.is_some() || self.duration.is_some()
    }

    /// How large the trace may be, in bytes.
    pub(crate) fn size(&self) -> Option<u64> {
        self.max_size.map(|size| size.0)
    }

    /// Watches a recording; `None` without bounds. `then` is said of what comes after its end.
    pub(crate) fn watch(
        &self,
        engine: &Arc<Engine>,
        then: &'static str,
        printer: &Printer,
    ) -> std::io::Result<Option<Watch>> {
        if !self.are_given() {
            return Ok(None);
        }
        let reached = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("bounds".to_owned()).spawn({
            let (bounds, engine, printer) = (self.clone(), Arc::clone(engine), printer.clone());
            let reached = Arc::clone(&reached);
            move || {
                if let Some(why) = bounds.wait(&engine, then, &stopped) {
                    printer.say("stopped", why);
                    reached.store(true, Ordering::SeqCst);
                }
            }
        })?;
        Ok(Some(Watch { reached, stop: Some(stop), thread: Some(thread) }))
    }

    /// Waits until a bound is reached, and says which; `None` if the recording ends before.
    fn wait(&self, engine: &Engine, then: &str, stopped: &Receiver<()>) -> Option<String> {
        let began = Instant::now();
        loop {
            let left =
                self.duration.map(|time| Duration::from(time).saturating_sub(began.elapsed()));
            if engine.recording_ended() {
                let size = self.max_size.unwrap_or_default();
                return Some(format!(
                    "recording: the trace has no room for more (--max-size {size}){then}"
                ));
            }
            if left.is_some_and(|left| left.is_zero()) {
                engine.end_recording();
                let time = self.duration.unwrap_or_default();
                return Some(format!("recording: its time is over (--duration {time}){then}"));
            }
            match stopped.recv_timeout(left.unwrap_or(LOOK).min(LOOK)) {
                Err(RecvTimeoutError::Timeout) => {}
                // A COMMAND may end before the next look: what happened is told all the same.
                _ if engine.recording_ended() => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl Watch {
    /// Whether a bound was reached.
    pub(crate) fn is_over(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
