//! Clients made from a seed: several connections, many requests in flight, most of them in each other's way.
//!
//! The oracle is a plain array of bytes, to which the requests of the trace are applied in the order of
//! their ids: that, and nothing else, is what the image must hold and what the reads must have returned.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::Path;

use blkreplay_core::event::Payload;
use blkreplay_core::nbd::{Client, Dialect};
use blkreplay_core::request::{Operation, Request};
use blkreplay_fixtures::workload::{requests, solid_bytes};
use rustix::process::Signal;

use crate::clients::assert_replays;
use crate::support::Sandbox;
use crate::trace::{Row, Trace};

const SIZE: u64 = 128 << 10;
const CONNECTIONS: u64 = 3;
const REQUESTS: usize = 300;

/// Requests of one connection in flight.
const DEPTH: usize = 24;

/// The data of a write, found by how the trace prints them.
type Written = BTreeMap<String, Vec<u8>>;

/// Sends `requests` over a connection of its own; returns what was written.
fn work(socket: &Path, seed: u64, requests: &[Request]) -> Written {
    let stream = UnixStream::connect(socket).unwrap();
    let dialect = if seed.is_multiple_of(2) { Dialect::Structured } else { Dialect::Extended };
    let mut client = Client::connect(stream, "", dialect).unwrap();
    let mut written = Written::new();
    let mut in_flight = 0;
    for (place, request) in (0..).zip(requests) {
        let data = match request.operation {
            Operation::Write => {
                let length = usize::try_from(request.range.length).unwrap();
                solid_bytes(seed * 1_000_000 + place, length)
            }
            _ => Vec::new(),
        };
        client.send(request, &data).unwrap();
        in_flight += 1;
        if !data.is_empty() {
            written.insert(Payload::of(&data).to_string(), data);
        }
        if in_flight == DEPTH {
            assert_eq!(client.receive().unwrap().result, Ok(()), "seed {seed}");
            in_flight -= 1;
        }
    }
    for _ in 0..in_flight {
        assert_eq!(client.receive().unwrap().result, Ok(()), "seed {seed}");
    }
    client.close().unwrap();
    written
}

/// Applies a request to the oracle. A read must have returned what the oracle holds.
fn apply(image: &mut [u8], row: &Row, written: &Written, seed: u64) {
    let start = usize::try_from(row.off).unwrap();
    let range = start..start + usize::try_from(row.len).unwrap();
    match row.op.as_str() {
        "write" => image[range].copy_from_slice(&written[row.payload.as_ref().unwrap()]),
        "write_zeroes" | "discard" => image[range].fill(0),
        "read" => {
            let expected = Payload::of(&image[range]).to_string();
            assert_eq!(row.payload.as_ref(), Some(&expected), "seed {seed}: {row:?}");
        }
        _ => {}
    }
}

#[test]
fn whatever_clients_do_at_once_is_as_if_done_in_the_order_of_the_ids() {
    for seed in 1..=5 {
        let sandbox = Sandbox::new();
        sandbox.solid("disk.img", seed, SIZE);
        sandbox.copy("disk.img", "before.img");
        let mut recording =
            sandbox.blkreplay("record disk.img -o t.blkr --write --listen unix:run/s").start();
        recording.wait_for_stderr("serving");
        let socket = sandbox.path("run/s");
        let written: Written = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS)
                .map(|connection| {
                    let seed = seed * CONNECTIONS + connection;
                    let requests = requests(seed, REQUESTS, SIZE);
                    let socket = &socket;
                    scope.spawn(move || work(socket, seed, &requests))
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        recording.signal(Signal::INT);
        recording.finish().succeeds();

        let trace = Trace::whole(&sandbox, "t.blkr");
        assert_eq!(trace.rows.len() as u64, CONNECTIONS * REQUESTS as u64, "seed {seed}");
        let mut image = sandbox.read("before.img");
        for row in &trace.rows {
            apply(&mut image, row, &written, seed);
        }
        assert!(
            sandbox.read("disk.img") == image,
            "seed {seed}: the image is not what the ids say"
        );
        assert_replays(&sandbox);
    }
}
