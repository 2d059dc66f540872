//! The control socket: how a COMMAND talks to the recording around it. Lines come in, marks go into the log, and
//! an answer goes out.
//!
//! A connection is one line each way, `book/src/marks.md` has the words. It knows no NBD. Invariant: a
//! client that says too much, too slowly or nothing costs one thread for [`REQUEST_TIME`], and there are at most
//! [`CONNECTIONS_MAX`] of them.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use blkreplay_core::engine::Engine;
use blkreplay_core::event::MarkName;
use blkreplay_core::limits::MARK_NAME_BYTES_MAX;
use rustix::net::{self, Shutdown};

/// What a request for a mark begins with: the protocol, its version, the request.
const MARK: &str = "blkreplay-control 1 mark ";

/// What a request in any version begins with.
const PROTOCOL: &str = "blkreplay-control ";

/// Longest line, in bytes, with its end.
const LINE_BYTES_MAX: usize = MARK.len() + MARK_NAME_BYTES_MAX + 1;

/// How long a client may take to send its line, and to take its answer.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// How long a client waits for its answer: longer than the engine waits for the disk.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Clients served at once; more are turned away.
const CONNECTIONS_MAX: usize = 16;

/// Why a mark was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// Nobody listens there.
    #[error("no recording listens on {path}")]
    Connect {
        /// The socket.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The recording ended, or hangs.
    #[error("the recording gave no answer")]
    Answer(#[source] io::Error),
    /// The recording said no.
    #[error("the recording refused: {0}")]
    Refused(String),
}

/// The server, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: Arc<UnixListener>,
    accepting: Option<JoinHandle<()>>,
}

impl Control {
    /// Serves those who come to `listener` until it is dropped.
    pub(crate) fn start(listener: UnixListener, engine: &Arc<Engine>) -> io::Result<Control> {
        let listener = Arc::new(listener);
        let accepting = thread::Builder::new().name("control".to_owned()).spawn({
            let (listener, engine) = (Arc::clone(&listener), Arc::clone(engine));
            move || accept_all(&listener, &engine)
        })?;
        Ok(Control { listener, accepting: Some(accepting) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Wakes the thread that accepts. Clients still served get their answer from the engine.
        let _ = net::shutdown(&self.listener, Shutdown::Both);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn accept_all(listener: &UnixListener, engine: &Arc<Engine>) {
    let served = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(_) => {
                // Out of descriptors, most likely: some come back.
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        if served.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            served.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (engine, done) = (Arc::clone(engine), Arc::clone(&served));
        let spawned = thread::Builder::new().name("control".to_owned()).spawn(move || {
            // A client that does not listen to its answer harms nobody.
            let _ = serve(&stream, &engine);
            done.fetch_sub(1, Ordering::SeqCst);
        });
        if spawned.is_err() {
            served.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn serve(stream: &UnixStream, engine: &Engine) -> io::Result<()> {
    let answer = match read_line(stream, LINE_BYTES_MAX, REQUEST_TIME) {
        Ok(line) => match request(&line).and_then(|name| mark(engine, name)) {
            Ok(()) => "ok\n".to_owned(),
            Err(why) => format!("error {why}\n"),
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidData => format!("error {error}\n"),
        Err(error) => return Err(error),
    };
    stream.set_write_timeout(Some(REQUEST_TIME))?;
    let mut stream = stream;
    stream.write_all(answer.as_bytes())
}

fn mark(engine: &Engine, name: MarkName) -> Result<(), String> {
    engine.mark(name).map_err(|error| error.to_string())
}

/// What a line asks for.
fn request(line: &str) -> Result<MarkName, String> {
    match line.strip_prefix(MARK) {
        Some(name) => {
            name.parse().map_err(|error: blkreplay_core::event::MarkNameError| error.to_string())
        }
        None if line.starts_with(PROTOCOL) => {
            Err("this version knows only `blkreplay-control 1 mark NAME`".to_owned())
        }
        None => Err("not a request; write `blkreplay-control 1 mark NAME`".to_owned()),
    }
}

/// Reads a line of at most `bytes_max` bytes, with its end, in at most `time`.
fn read_line(mut stream: &UnixStream, bytes_max: usize, time: Duration) -> io::Result<String> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let deadline = Instant::now() + time;
    let mut line = vec![0; bytes_max];
    let mut length = 0;
    while length < bytes_max {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut line[length..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = line[length..length + read].iter().position(|byte| *byte == b'\n');
        if let Some(end) = end {
            line.truncate(length + end);
            return String::from_utf8(line).map_err(|_| invalid("the line is not UTF-8"));
        }
        length += read;
    }
    Err(invalid("the line is too long"))
}

/// Asks the recording that listens on `path` for a mark, and waits until it is in the log.
pub(crate) fn ask_for_mark(path: &Path, name: &MarkName) -> Result<(), ControlError> {
    let mut stream = UnixStream::connect(path)
        .map_err(|source| ControlError::Connect { path: path.display().to_string(), source })?;
    let asked = stream
        .set_write_timeout(Some(REQUEST_TIME))
        .and_then(|()| stream.write_all(format!("{MARK}{name}\n").as_bytes()));
    asked.map_err(ControlError::Answer)?;
    let answer = read_line(&stream, 4096, ANSWER_TIME).map_err(ControlError::Answer)?;
    match answer.strip_prefix("error ") {
        None if answer == "ok" => Ok(()),
        why => Err(ControlError::Refused(why.unwrap_or(&answer).to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_asks_for_a_mark_or_is_refused_by_name() {
        assert_eq!(request("blkreplay-control 1 mark a b").unwrap().as_str(), "a b");
        for (line, why) in [
            ("blkreplay-control 1 mark ", "empty"),
            ("blkreplay-control 2 mark a", "this version"),
            ("blkreplay-control 1 stop", "this version"),
            ("GET / HTTP/1.1\r", "not a request"),
            ("", "not a request"),
        ] {
            assert!(request(line).unwrap_err().contains(why), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_or_too_slow_is_not_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[b'x'; 100]).unwrap();
        let long = read_line(&ours, 10, REQUEST_TIME).unwrap_err();
        assert_eq!(long.kind(), io::ErrorKind::InvalidData);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"half").unwrap();
        assert!(read_line(&ours, 10, Duration::from_millis(20)).is_err());
        drop(theirs);
        let closed = read_line(&ours, 10, REQUEST_TIME).unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::UnexpectedEof);
    }
}
