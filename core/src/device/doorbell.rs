//! A doorbell: how other threads tell a worker that something came for it.
//!
//! The worker owns the loop *clear, look for work, park, sleep, …*; anybody else puts work where the worker
//! looks and rings. A ring that comes while the worker is busy costs no system call. The kernel may ring, too, at the
//! descriptor alone. Invariant: work put before a ring is seen by the worker before it sleeps again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// The worker is looking for work, or about to.
const BUSY: u8 = 0;
/// Somebody rang since the worker last cleared.
const RUNG: u8 = 1;
/// The worker sleeps, or is about to: a ring must wake it through the descriptor.
const PARKED: u8 = 2;

/// Wakes one worker.
#[derive(Debug)]
pub struct Doorbell {
    state: AtomicU8,
    wake: OwnedFd,
    /// Somebody else makes the descriptor readable, and does not say so.
    is_signalled: AtomicBool,
}

impl Doorbell {
    /// A silent doorbell. Fails when the process has no descriptors left.
    pub fn new() -> io::Result<Doorbell> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Doorbell { state: AtomicU8::new(BUSY), wake, is_signalled: AtomicBool::new(false) })
    }

    /// Tells the worker to look for work. From any thread.
    pub fn ring(&self) {
        if self.state.swap(RUNG, Ordering::SeqCst) == PARKED {
            // It can only fail when 2^64 - 2 rings are unread, and then the worker is awake.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    /// Forgets rings so far. Call it before looking for work, never after.
    pub fn clear(&self) {
        let was = self.state.swap(BUSY, Ordering::SeqCst);
        if was == RUNG || (was == PARKED && self.is_signalled.load(Ordering::Relaxed)) {
            let mut count = [0; 8];
            // Nothing to read when the ring found the worker busy.
            let _ = rustix::io::read(&self.wake, &mut count);
        }
    }

    /// The descriptor, for the kernel to make readable when something has come. A signal while the worker is busy ends its
    /// next sleep before it begins.
    pub(super) fn signalled(&self) -> BorrowedFd<'_> {
        self.is_signalled.store(true, Ordering::Relaxed);
        self.wake.as_fd()
    }

    /// Says that the worker is going to sleep until [`Doorbell::as_fd`] is readable. False if it must not
    /// because somebody rang since `clear`.
    #[must_use]
    pub fn park(&self) -> bool {
        self.state.compare_exchange(BUSY, PARKED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Sleeps until somebody rings, at most `timeout`.
    pub fn wait(&self, timeout: Duration) {
        if !self.park() {
            return;
        }
        let timeout = Timespec::try_from(timeout).ok();
        let mut fds = [PollFd::new(&self.wake, PollFlags::IN)];
        // An interrupted sleep is a short one: the caller looks for work either way.
        let _ = poll(&mut fds, timeout.as_ref());
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_ring_before_the_sleep_is_not_lost() {
        let bell = Doorbell::new().unwrap();
        bell.clear();
        bell.ring();
        assert!(!bell.park(), "it was rung");
        bell.clear();
        assert!(bell.park(), "it was cleared");
    }

    #[test]
    fn a_signal_at_the_descriptor_ends_one_sleep_and_no_more() {
        let bell = Doorbell::new().unwrap();
        let is_readable = || {
            let mut fds = [PollFd::new(&bell, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
        };
        let signal = rustix::io::dup(bell.signalled()).unwrap();
        rustix::io::write(&signal, &1_u64.to_ne_bytes()).unwrap();
        bell.clear();
        assert!(bell.park() && is_readable(), "it came while the worker was busy");
        bell.clear();
        assert!(bell.park() && !is_readable());
    }

    #[test]
    fn every_ring_of_another_thread_wakes_the_sleeper() {
        let bell = Arc::new(Doorbell::new().unwrap());
        let work = Arc::new(AtomicU8::new(0));
        let ringer = thread::spawn({
            let (bell, work) = (Arc::clone(&bell), Arc::clone(&work));
            move || {
                for _ in 0..200 {
                    work.fetch_add(1, Ordering::SeqCst);
                    bell.ring();
                    thread::yield_now();
                }
            }
        });
        loop {
            bell.clear();
            if work.load(Ordering::SeqCst) == 200 {
                break;
            }
            bell.wait(Duration::from_mins(1));
        }
        ringer.join().unwrap();
    }
}
