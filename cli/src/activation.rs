//! A socket that whoever started us has bound already, as systemd and libnbd do it: `LISTEN_PID`, `LISTEN_FDS` and
//! descriptor 3 come in, a listener goes out.
//!
//! The library `listenfd` takes the descriptor. Invariants: variables that were meant for another process change nothing;
//! COMMAND never sees them.

use std::env;
use std::ffi::OsStr;
use std::os::fd::AsFd;

use blkreplay_core::nbd::Listener;
use listenfd::ListenFd;
use rustix::net::sockopt;

use crate::failure::Failure;

/// The variables of the protocol (`sd_listen_fds(3)`).
pub(crate) const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Where the first descriptor is (`sd_listen_fds(3)`, `SD_LISTEN_FDS_START`).
const FIRST: u32 = 3;

/// The socket that was handed to us; `None` if there is none. To be asked once, before there are other threads.
pub(crate) fn take() -> Result<Option<Listener>, Failure> {
    let pid = env::var_os("LISTEN_PID");
    if pid.as_deref().and_then(number) != Some(u64::from(std::process::id())) {
        return Ok(None);
    }
    let count = env::var_os("LISTEN_FDS").unwrap_or_default();
    match number(&count) {
        Some(1) => {}
        Some(0) => return Ok(None),
        Some(count) => {
            return Err(Failure::new(format!(
                "{count} sockets were handed over (LISTEN_FDS); a recording has one"
            ))
            .hint("one ListenStream= in the unit, or one recording for each socket"));
        }
        None => {
            let what = format!("LISTEN_FDS={} is no number of sockets", count.to_string_lossy());
            return Err(Failure::new(what).hint("without LISTEN_PID it would not be looked at"));
        }
    }
    let mut handed = ListenFd::from_env();
    let unusable = || {
        Failure::new(format!("descriptor {FIRST}, which was handed over, is no listening socket"))
            .hint("it must be a stream socket, Unix or TCP, that listens already (Accept=no in a unit)")
    };
    let listener = match handed.take_unix_listener(0) {
        Ok(Some(listener)) => Listener::Unix(listener),
        _ => match handed.take_tcp_listener(0) {
            Ok(Some(listener)) => Listener::Tcp(listener),
            _ => return Err(unusable()),
        },
    };
    match sockopt::socket_acceptconn(listener.as_fd()) {
        Ok(true) => Ok(Some(listener)),
        _ => Err(unusable()),
    }
}

/// A number as the protocol writes it.
fn number(text: &OsStr) -> Option<u64> {
    text.to_str()?.parse().ok()
}
