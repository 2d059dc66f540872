//! One client on our own standard input and output, as libnbd's `connect_command` and inetd start servers: descriptors
//! come in, a socket for the front goes out.
//!
//! Two pipes are carried to a pair of sockets, by a thread each, because the front talks over a socket. Invariant: nothing but
//! the client's bytes is read from standard input or written to standard output.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, fstat};
use rustix::net::{Shutdown, shutdown};

use crate::failure::Failure;

/// How long a client may take to read the last of what it is told.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// Bytes passed on at once.
const PIECE_BYTES: usize = 64 << 10;

/// The client, once it is talked to. Dropping it waits for the last bytes to have gone.
#[derive(Debug)]
pub(crate) struct Stdio {
    /// Told, or closed, when standard output has all; `None` where a socket needs nobody to carry.
    carried: Option<Receiver<()>>,
}

/// Takes the client: a socket to talk to it, and who carries.
pub(crate) fn take() -> Result<(OwnedFd, Stdio), Failure> {
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        return Err(no_client("a terminal"));
    }
    let cannot = |error| Failure::because("cannot use standard input and output", error);
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(cannot)?;
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(cannot)?;
    let (from, to) = (kind(&input).map_err(cannot)?, kind(&output).map_err(cannot)?);
    if from == to && from.0 == FileType::Socket {
        return Ok((input, Stdio { carried: None }));
    }
    let carries = |kind: FileType| matches!(kind, FileType::Socket | FileType::Fifo);
    if !carries(from.0) || !carries(to.0) {
        return Err(no_client("neither a pipe nor a socket"));
    }
    carry(input, output).map_err(cannot)
}

fn no_client(what: &str) -> Failure {
    Failure::new(format!("--listen stdio: standard input or output is {what}, so there is no client"))
        .hint("a client starts it: nbdsh -c 'h.connect_command([\"blkreplay\", \"record\", \"disk.img\", …])'")
}

/// What a descriptor is, and which one.
fn kind(fd: &OwnedFd) -> io::Result<(FileType, u64, u64)> {
    let stat = fstat(fd)?;
    Ok((FileType::from_raw_mode(stat.st_mode), stat.st_dev, stat.st_ino))
}

/// Carries bytes between two pipes and a socket.
fn carry(input: OwnedFd, output: OwnedFd) -> io::Result<(OwnedFd, Stdio)> {
    let (front, ours) = UnixStream::pair()?;
    let (mut from, mut to) = (File::from(input), File::from(output));
    let (mut told, mut heard) = (ours.try_clone()?, ours);
    let (done, carried) = mpsc::channel();
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        // However it ends, nothing more comes.
        let _ = copy(&mut from, &mut told);
        let _ = shutdown(&told, Shutdown::Write);
    })?;
    thread::Builder::new().name("stdout".to_owned()).spawn(move || {
        if copy(&mut heard, &mut to).is_err() {
            // The client does not listen any more, which the front is to know.
            let _ = shutdown(&heard, Shutdown::Both);
        }
        let _ = done.send(());
    })?;
    Ok((front.into(), Stdio { carried: Some(carried) }))
}

/// Passes on what comes as it comes. The library's own `copy` may have the system do it, which then waits for more than a
/// client has to say.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&piece[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        if let Some(carried) = &self.carried {
            // A client that does not read is not waited for longer; the threads end with the process.
            let _ = carried.recv_timeout(PARTING_TIME);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_carried_both_ways_until_either_ends() {
        let (input, mut say) = io::pipe().unwrap();
        let (mut hear, output) = io::pipe().unwrap();
        let (front, stdio) = carry(input.into(), output.into()).unwrap();
        let mut front = UnixStream::from(front);
        say.write_all(b"said").unwrap();
        // It comes though there may be more.
        let mut first = [0; 4];
        front.read_exact(&mut first).unwrap();
        drop(say);
        let mut said = String::new();
        front.read_to_string(&mut said).unwrap();
        assert_eq!((&first, said.as_str()), (b"said", ""));
        front.write_all(b"answered").unwrap();
        drop((front, stdio));
        let mut answered = String::new();
        hear.read_to_string(&mut answered).unwrap();
        assert_eq!(answered, "answered");
    }

    #[test]
    fn a_client_that_does_not_listen_is_seen_to_have_gone() {
        let (input, _say) = io::pipe().unwrap();
        let (hear, output) = io::pipe().unwrap();
        let (front, _stdio) = carry(input.into(), output.into()).unwrap();
        let mut front = UnixStream::from(front);
        drop(hear);
        front.write_all(b"unheard").unwrap();
        assert_eq!(front.read(&mut [0]).unwrap(), 0);
    }
}
