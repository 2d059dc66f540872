//! Flushes that are not needed, and FUA that is not.

use super::*;

#[test]
fn flushes_with_nothing_to_flush_are_found() {
    let found = exactly(
        "redundant-flush",
        |s| {
            s.all(0, W, 0, 512, 1).all(1, Flush, 0, 0, 0).all(2, Flush, 0, 0, 0);
        },
        |s| {
            s.all(0, Flush, 0, 0, 0).all(1, W, 0, 512, 1).all(2, Flush, 0, 0, 0);
        },
    );
    assert_eq!((found.request, found.other), (Some(RequestId(2)), Some(RequestId(1))));
    let during = script(|s| {
        s.issue(0, W, 0, 512, 1).issue(1, Flush, 0, 0, 0).done(0).done(1).all(2, Flush, 0, 0, 0);
    });
    assert_eq!(during.names(), [""; 0], "the write was done after the first flush began");
    let failed = script(|s| {
        s.all(0, W, 0, 512, 1).issue(1, Flush, 0, 0, 0).block(1, EIO, Payload::Absent);
        s.after(1001 * MS).all(2, Flush, 0, 0, 0);
    });
    assert_eq!(failed.names(), ["error-reply"], "the first did not flush");
    let durable = script(|s| {
        let request = Request { operation: W, range: ByteRange::new(0, 512), flags: Flags::FUA };
        s.all(0, Flush, 0, 0, 0).issue_on(0, 1, request, data(1)).done(1).all(2, Flush, 0, 0, 0);
    });
    assert_eq!(durable.names(), ["redundant-flush"], "FUA needs no flush");
}

/// A write with FUA, issued.
fn durable(s: &mut Script, id: u64) -> &mut Script {
    let request = Request { operation: W, range: ByteRange::new(4096, 512), flags: Flags::FUA };
    s.issue_on(0, id, request, data(1))
}

#[test]
fn fua_that_a_flush_makes_needless_is_found() {
    let found = exactly(
        "flushed-fua",
        |s| {
            durable(s.all(0, W, 0, 512, 1), 1).done(1).all(2, Flush, 0, 0, 0);
        },
        |s| {
            durable(s, 0).done(0).all(1, W, 0, 512, 1).all(2, Flush, 0, 0, 0);
        },
    );
    assert_eq!((found.request, found.other), (Some(RequestId(2)), Some(RequestId(1))));
    let alone = script(|s| {
        durable(s, 0).done(0).all(1, Flush, 0, 0, 0);
    });
    assert_eq!(alone.names(), [""; 0], "nothing else needs the flush");
    let in_flight = script(|s| {
        durable(s.all(0, W, 0, 512, 1), 1).issue(2, Flush, 0, 0, 0).done(1).done(2);
    });
    assert_eq!(in_flight.names(), [""; 0], "a flush does not cover what is in flight");
}

#[test]
fn a_flush_behind_a_write_with_fua_that_failed_is_needed() {
    let failed = script(|s| {
        durable(s.all(0, Flush, 0, 0, 0), 1).block(1, EIO, Payload::Absent).all(2, Flush, 0, 0, 0);
    });
    assert_eq!(failed.names(), ["error-reply"], "it may have been written, and is not durable");
    let twice = script(|s| {
        durable(s.all(0, Flush, 0, 0, 0), 1).block(1, EIO, Payload::Absent);
        s.all(2, Flush, 0, 0, 0).all(3, Flush, 0, 0, 0);
    });
    assert_eq!(twice.names(), ["error-reply", "redundant-flush"]);
    let together = script(|s| {
        durable(s.all(0, Flush, 0, 0, 0), 1).all(2, Flush, 0, 0, 0).block(1, EIO, Payload::Absent);
    });
    assert_eq!(together.names(), ["redundant-flush", "error-reply"], "nothing was complete");
}
