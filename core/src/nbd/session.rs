//! Requests in and replies out, from the handshake to the end of a connection.
//!
//! It takes all that the socket has, hands every whole request to the engine, and gathers the replies; it
//! sleeps only when there is nothing to do. Invariant: what a client holds of our memory is bounded by
//! `CONNECTION_BYTES_MAX` and `CONNECTION_REQUESTS_MAX`, whether it reads its replies or not: beyond them
//! its socket is not read.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::engine::{Arrival, Port, Released};
use crate::event::Disconnect;
use crate::limits::{CONNECTION_BYTES_MAX, CONNECTION_REQUESTS_MAX};
use crate::nbd::connection::ConnectionError;
use crate::nbd::linger::{Gather, Linger};
use crate::nbd::notes::{Note, Notes};
use crate::nbd::reply::Replies;
use crate::nbd::stop::Stop;
use crate::nbd::transmission::{Incoming, Next, REQUEST_COST_BYTES, Rules, TransmissionError};
use crate::nbd::transport::{Received, Sent, Transport, Woken};
use crate::request::{Errno, Operation};

/// How long a session that is being ended waits for a client that does not read.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// Replies are sent when they have this many bytes, though more requests may have come: the client can work
/// on them meanwhile.
const SEND_BYTES: u64 = 16 << 10;

/// Fewer bytes than these are sent at once: no data are among them, and a client that writes gains nothing by waiting.
const GATHER_BYTES_MIN: u64 = 2048;

/// A client and a disk.
pub(super) struct Session<'a> {
    transport: Transport,
    port: Port,
    rules: Rules,
    replies: Replies,
    stop: &'a Stop,
    input: Input,
    /// Once the server ends: how much of what the client has sent is still to be received, in bytes.
    last_input: Option<u64>,
    linger: Linger,
    gather: Gather,
    /// Of requests in flight.
    notes: Notes,
    /// What they hold of the allowance, in bytes.
    held_bytes: u64,
    /// Kept for their memory; empty between turns.
    arrivals: Vec<Arrival>,
    released: Vec<Released>,
}

/// What is to be done about input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// There may be whole requests in the inbox.
    AtHand,
    /// At least so many bytes must come first.
    Missing(usize),
    /// The next request must wait until replies have gone.
    Held,
    /// None is wanted any more.
    Closed,
}

/// How a session ended.
type End = Result<Disconnect, ConnectionError>;

impl<'a> Session<'a> {
    /// A session that has just begun.
    pub(super) fn new(
        transport: Transport,
        port: Port,
        rules: Rules,
        stop: &'a Stop,
    ) -> Session<'a> {
        let replies = Replies::from(&rules);
        Session {
            transport,
            port,
            rules,
            replies,
            stop,
            input: Input::AtHand,
            last_input: None,
            linger: Linger::default(),
            gather: Gather::default(),
            notes: Notes::default(),
            held_bytes: 0,
            arrivals: Vec::new(),
            released: Vec::new(),
        }
    }

    /// Serves the client until it goes, breaks the protocol, or the server ends.
    pub(super) fn run(mut self) -> End {
        let end = loop {
            match self.turn() {
                Ok(None) => {}
                Ok(Some(reason)) => break Ok(reason),
                Err(error) => break Err(error),
            }
        };
        // What the log calls delivered is given the chance to be, as far as that goes without waiting.
        let _ = self.transport.send();
        let reason = match &end {
            Ok(reason) => *reason,
            Err(error) => error.reason(),
        };
        self.port.disconnect(reason);
        end
    }

    /// Does what there is to do once, or sleeps if there is nothing. Says how it ended, if it did.
    fn turn(&mut self) -> Result<Option<Disconnect>, ConnectionError> {
        // Before any look at what others left: a ring that comes later must end the sleep.
        self.port.doorbell().clear();
        let received = self.receive()?;
        match received {
            Received::End => return self.hung_up(),
            Received::Bytes(_) => self.gather.received(),
            Received::Nothing => {}
        }
        let parsed = self.parse();
        self.gather.parsed(self.arrivals.len());
        self.port.issue(&mut self.arrivals);
        self.port.pump(&mut self.released);
        let busy = received != Received::Nothing || !self.released.is_empty();
        if busy {
            self.linger.found();
        }
        self.answer()?;
        if let Some(reason) = parsed? {
            return Ok(Some(reason));
        }
        if self.gathers(received) {
            return Ok(None);
        }
        // While requests are at hand, short replies wait for company.
        let sent = match self.input {
            Input::AtHand => Sent::Nothing,
            _ => self.transport.send()?,
        };
        let settled = self.port.in_flight() == 0 && self.transport.outbox.is_empty();
        match (sent, self.input) {
            (Sent::End, _) => Ok(Some(Disconnect::Closed)),
            (_, Input::Closed) if settled => Ok(Some(Disconnect::Shutdown)),
            (Sent::Nothing, Input::Missing(_) | Input::Held | Input::Closed) if !busy => {
                self.sleep()
            }
            _ => Ok(None),
        }
    }

    /// Whether to look for more requests before replies are sent, which are little.
    fn gathers(&mut self, received: Received) -> bool {
        let waiting = self.transport.outbox.len() as u64;
        let little = (GATHER_BYTES_MIN..SEND_BYTES).contains(&waiting);
        let gathers = little
            && matches!(self.input, Input::Missing(_))
            && self.last_input.is_none()
            && self.gather.looks_again();
        if gathers && received == Received::Nothing {
            std::thread::yield_now();
        }
        gathers
    }

    /// Receives once, if input is missing.
    fn receive(&mut self) -> io::Result<Received> {
        if self.last_input.is_none() && self.stop.is_begun() {
            self.last_input = Some(self.transport.receivable()?);
        }
        let Input::Missing(missing) = self.input else {
            return Ok(Received::Nothing);
        };
        let received = self.transport.receive(missing)?;
        self.input = match (received, self.last_input) {
            (Received::Bytes(count), Some(left)) if left > 0 => {
                self.last_input = Some(left.saturating_sub(count as u64));
                Input::AtHand
            }
            (Received::Bytes(_), None) => Input::AtHand,
            (_, None) => self.input,
            // All that the client had sent when the server began to end has been seen.
            (_, Some(_)) => {
                self.port.close_input();
                Input::Closed
            }
        };
        Ok(received)
    }

    /// The client's end is closed.
    fn hung_up(&self) -> Result<Option<Disconnect>, ConnectionError> {
        match self.transport.inbox.unread().len() {
            0 => Ok(Some(Disconnect::Closed)),
            received => Err(ConnectionError::CutOff { received }),
        }
    }

    /// Takes requests from the inbox until their answers are worth a send. Says if the client goes.
    fn parse(&mut self) -> Result<Option<Disconnect>, TransmissionError> {
        if !matches!(self.input, Input::AtHand | Input::Held) {
            return Ok(None);
        }
        let mut answers = 0;
        while answers < SEND_BYTES {
            let allowance = self.allowance();
            match self.rules.next(&mut self.transport.inbox, allowance) {
                Ok(Next::Request(incoming)) => {
                    if incoming.request.operation == Operation::Read {
                        answers += incoming.cost;
                    }
                    self.accept(incoming);
                }
                Ok(Next::Unknown(subject)) => {
                    answers += REQUEST_COST_BYTES;
                    self.replies.write_refusal(subject, Errno::EINVAL, &mut self.transport.outbox);
                }
                Ok(Next::Starved { missing }) => {
                    self.input = Input::Missing(missing);
                    return Ok(None);
                }
                Ok(Next::Held) => {
                    self.input = Input::Held;
                    return Ok(None);
                }
                Ok(Next::Disconnect) => return Ok(Some(Disconnect::Asked)),
                Err(error) => {
                    if let TransmissionError::DataTooLong { subject, .. } = error {
                        let out = &mut self.transport.outbox;
                        self.replies.write_refusal(subject, Errno::EINVAL, out);
                    }
                    return Err(error);
                }
            }
        }
        self.input = Input::AtHand;
        Ok(None)
    }

    fn accept(&mut self, incoming: Incoming) {
        let Incoming { subject, request, data, refused, cost } = incoming;
        self.held_bytes += cost;
        let tag = self.notes.keep(Note { subject, cost });
        let cookie = subject.cookie;
        self.arrivals.push(Arrival { tag, cookie, request, data, refused });
    }

    /// What the next request may cost, in bytes. With nothing in flight any single request may come.
    fn allowance(&self) -> u64 {
        if self.port.keeps_early() {
            // What waits for its turn is bounded by the engine; what it waits for may be behind it in the socket.
            let unsent = self.transport.outbox.len() as u64;
            return if unsent < CONNECTION_BYTES_MAX { u64::MAX } else { 0 };
        }
        let used = self.held_bytes + self.transport.outbox.len() as u64;
        match self.port.in_flight() + self.arrivals.len() {
            _ if used == 0 => u64::MAX,
            CONNECTION_REQUESTS_MAX.. => 0,
            _ => CONNECTION_BYTES_MAX.saturating_sub(used),
        }
    }

    /// Writes the replies to what was released, and sends those that are worth it.
    fn answer(&mut self) -> io::Result<()> {
        for released in self.released.drain(..) {
            let Note { subject, cost } = self.notes.take(released.tag);
            self.held_bytes -= cost;
            self.replies.write(subject, released, &mut self.transport.outbox);
            if self.transport.outbox.len() as u64 >= SEND_BYTES {
                // A client that has gone is noticed by the next receive or send.
                self.transport.send()?;
            }
        }
        Ok(())
    }

    /// Sleeps until the client or another thread has something for us.
    fn sleep(&mut self) -> Result<Option<Disconnect>, ConnectionError> {
        if self.linger.looks_again() {
            std::thread::yield_now();
            return Ok(None);
        }
        if !self.port.doorbell().park() {
            return Ok(None);
        }
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, matches!(self.input, Input::Missing(_)));
        interest.set(PollFlags::OUT, !self.transport.outbox.is_empty());
        let (others, timeout) = match self.last_input {
            None => (&[self.port.doorbell().as_fd(), self.stop.as_fd()][..], None),
            Some(_) => (&[self.port.doorbell().as_fd()][..], Some(PARTING_TIME)),
        };
        let woken = self.transport.wait(interest, others, timeout)?;
        let ended = woken == Woken::Timeout && self.port.in_flight() == 0;
        Ok(ended.then_some(Disconnect::Shutdown))
    }
}
