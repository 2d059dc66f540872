//! The end of a front: clients have answers to what they have sent, and an image that says nothing is waited for so long and
//! no longer. A server comes in; whether it has ended goes out, or what it still waits for.
//!
//! Invariant: it ends, whatever an image does; who waits for it is told what for.

use std::time::{Duration, Instant};

use blkreplay_core::engine::{Engine, Waiting};
use blkreplay_core::nbd::Server;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::waiting;
use crate::words::counted;

/// How long nothing may come back from an image before its requests are given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long before people are told what is waited for.
const QUIET: Duration = Duration::from_secs(2);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Ends `server`, which serves disks of `engine`. The error is what an image left unanswered; then threads that wait for it
/// are left behind, and the process had better end.
pub(crate) fn stop(server: Server, engine: &Engine, printer: &Printer) -> Result<(), Failure> {
    server.begin_stop();
    let mut answered = engine.totals().requests;
    let (mut since, mut is_told) = (Instant::now(), false);
    while !server.wait(LOOK) {
        let now = engine.totals().requests;
        let waiting = engine.waiting();
        // Clients that do not read have limits of their own.
        if now != answered || waiting.away.is_empty() {
            (answered, since) = (now, Instant::now());
            continue;
        }
        if since.elapsed() >= PATIENCE {
            // Its connections wait for an image that may never answer.
            std::mem::forget(server);
            return Err(unanswered(&waiting));
        }
        if since.elapsed() >= QUIET && !is_told {
            is_told = true;
            for line in waiting::lines(&waiting) {
                printer.say("waiting", line);
            }
        }
    }
    Ok(())
}

fn unanswered(waiting: &Waiting) -> Failure {
    let requests = (waiting.away.len() + waiting.held.len()) as u64;
    let (requests, seconds) = (counted(requests, "request"), PATIENCE.as_secs());
    Failure::new(format!(
        "gave up {requests} to which the image had no answer for {seconds} seconds: {}",
        waiting::named(&waiting.away)
    ))
}

#[cfg(test)]
mod tests {
    use blkreplay_core::engine::Asked;
    use blkreplay_core::event::Payload;
    use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Operation, Request};
    use blkreplay_core::units::ByteRange;

    use super::*;

    #[test]
    fn what_was_given_up_is_counted_and_named() {
        let asked = |operation, offset| Asked {
            id: None,
            device: DeviceId(0),
            connection: ConnectionId(0),
            request: Request { operation, range: ByteRange::new(offset, 512), flags: Flags::NONE },
            payload: Payload::Absent,
            result: None,
        };
        let waiting = Waiting {
            away: vec![asked(Operation::Read, 0), asked(Operation::Write, 1024)],
            held: vec![asked(Operation::Read, 1024)],
            ..Waiting::default()
        };
        let expected = "gave up 3 requests to which the image had no answer for 10 seconds: read 0+512, \
                        write 1024+512";
        assert_eq!(unanswered(&waiting).to_string(), expected);
    }
}
