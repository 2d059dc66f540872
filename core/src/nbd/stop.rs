//! The end of a server, told to all its threads at once, and the time a handshake may take.
//!
//! Both are descriptors to wait on beside a socket. Invariant: once begun, a stop is seen by every thread that
//! looks or waits, however late it comes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Whether a server is to end.
#[derive(Debug)]
pub(super) struct Stop {
    begun: AtomicBool,
    /// Readable from then on: it is written once and never read.
    wake: OwnedFd,
}

impl Stop {
    /// Not begun. Fails when the process has no descriptors left.
    pub(super) fn new() -> io::Result<Stop> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Stop { begun: AtomicBool::new(false), wake })
    }

    /// Begins the end.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::SeqCst);
        // A counter that is written once cannot overflow, which is its only way to fail.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Whether the end has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// A point in time after which waiting ends; readable from then on.
#[derive(Debug)]
pub(super) struct Deadline {
    timer: OwnedFd,
}

impl Deadline {
    /// This long from now. Fails when the process has no descriptors left.
    pub(super) fn after(span: Duration) -> io::Result<Deadline> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let value = Timespec::try_from(span).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(Deadline { timer })
    }

    /// Whether it has passed. Says so once.
    pub(super) fn passed(&self) -> bool {
        let mut expirations = [0; 8];
        rustix::io::read(&self.timer, &mut expirations).is_ok()
    }
}

impl AsFd for Deadline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_seen_by_who_comes_late_and_again() {
        let stop = Stop::new().unwrap();
        assert!(!stop.is_begun());
        stop.begin();
        for _ in 0..2 {
            let mut fds = [rustix::event::PollFd::new(&stop, rustix::event::PollFlags::IN)];
            assert_eq!(rustix::event::poll(&mut fds, None), Ok(1));
        }
        assert!(stop.is_begun());
    }

    #[test]
    fn a_deadline_passes() {
        let deadline = Deadline::after(Duration::from_millis(1)).unwrap();
        let mut fds = [rustix::event::PollFd::new(&deadline, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut fds, None), Ok(1));
        assert!(deadline.passed());
        assert!(!Deadline::after(Duration::from_mins(1)).unwrap().passed());
    }
}
