//! What a tester of NBD servers tries, in conversations of our own: reads that are a little too long, a handshake in which
//! everything but the end is wrong, and a long list of requests of which every answer is checked.
//!
//! The oracle is an array of bytes, to which requests are done in the order in which they are sent. Invariant: an answer is
//! held against what the array held when its request was sent.

use std::collections::HashMap;
use std::io::Write;
use std::thread;

use blkreplay_fixtures::workload::solid_bytes;

use super::clients::{MIB, Server};
use super::raw_client::{READ, RawClient, WRITE};
use super::script::{self, EXPORT_NAME, GO, request};

const FUA: u16 = 1;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const WRITE_ZEROES: u16 = 6;

const EINVAL: u32 = 22;

/// The longest request of a tester that is known: more than the 32 MiB that any server takes.
const HUGE: u64 = 0x02f8_e400;

#[test]
fn reads_that_are_longer_than_they_may_be_are_refused_and_the_next_one_is_heard() {
    let server = Server::start(80 * MIB);
    let mut client = RawClient::ready(&server.socket());
    let (most, too_many) = (64 * MIB, 64 * MIB + 1);
    for length in [MIB, MIB + 16, 32 * MIB, 32 * MIB + 1, HUGE, most, too_many, 79 * MIB, MIB] {
        client.ask(READ, 4096, u32::try_from(length).unwrap());
        let (cookie, error) = client.reply().unwrap();
        assert_eq!((cookie, error), (4096, if length > most { EINVAL } else { 0 }), "{length}");
        if error == 0 {
            let data = client.receive(usize::try_from(length).unwrap()).unwrap();
            assert!(data.iter().all(|byte| *byte == 0), "{length}");
        }
    }
    drop(client);
    server.still_serves();
}

#[test]
fn a_handshake_in_which_everything_but_the_end_is_wrong_ends_in_an_export() {
    let server = Server::start(MIB);
    let unknown = |name: &[u8], rest: &[u8]| {
        let length = u32::try_from(name.len()).unwrap();
        [&length.to_be_bytes()[..], name, rest].concat()
    };
    let go = unknown(b"no such export", &[0, 0]);
    let wrong = [
        (0x7777, vec![1; 64 << 10]),
        (3, b"list takes no data".to_vec()),
        (6, go.clone()),
        (GO, go),
        (GO, script::go_data()[..5].to_vec()),
        (10, script::context_data()),
        (5, Vec::new()),
    ];
    let mut client = RawClient::silent(&server.socket());
    // Fixed newstyle, and the zeroes of old.
    client.send(&1_u32.to_be_bytes());
    for (number, data) in wrong {
        client.send(&script::option(number, &data));
        let header = client.receive(20).unwrap();
        let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!((word(8), word(12) >> 31), (number, 1), "option {number}: {header:?}");
        client.receive(word(16) as usize).unwrap();
    }
    client.send(&script::option(EXPORT_NAME, b"0"));
    let told = client.receive(10 + 124).unwrap();
    assert_eq!(told[..8], MIB.to_be_bytes());
    assert_eq!(told[10..], [0; 124]);
    client.ask(READ, 512, 512);
    assert_eq!(client.reply().unwrap(), (512, 0));
    client.receive(512).unwrap();

    let mut other = RawClient::silent(&server.socket());
    // A flag that nobody offered.
    other.send(&0x8000_0003_u32.to_be_bytes());
    assert!(other.is_ended());
    assert_eq!(server.still_serves().rows.len(), 3);
}

/// One request of the list.
struct Asked {
    flags: u16,
    command: u16,
    offset: u64,
    length: u64,
}

/// Every kind of request of every length, most of them in each other's way.
fn list() -> Vec<Asked> {
    let mut list = Vec::new();
    for round in 0..60_u64 {
        let near = round * 37_123 % (2 * MIB);
        let ask = |flags, command, offset, length| Asked { flags, command, offset, length };
        list.push(ask(0, WRITE, near, 1 + round * 4001 % (3 * MIB)));
        list.push(ask(FUA * u16::from(round % 3 == 0), WRITE, near + 100, 4096));
        list.push(ask(0, READ, near / 2, 64 << 10));
        if round % 5 == 0 {
            list.push(ask(0, FLUSH, 0, 0));
            list.push(ask(0, TRIM, near + 50, 9000));
            list.push(ask(0, WRITE_ZEROES, near + 9000, 70_000));
        }
        if round % 20 == 7 {
            list.push(ask(0, WRITE, 8 * MIB + round, HUGE));
            list.push(ask(0, READ, 8 * MIB, HUGE));
            list.push(ask(0, READ, 4 * MIB, 64 * MIB));
        }
        list.push(ask(0, READ, near, MIB));
    }
    list
}

#[test]
fn every_byte_of_a_long_list_of_requests_is_what_it_has_to_be() {
    let server = Server::start(80 * MIB);
    let mut client = RawClient::ready(&server.socket());
    let mut image = vec![0; usize::try_from(80 * MIB).unwrap()];
    // Who only sends would wait for a server that waits for its answers to be read.
    let mut stream = client.stream.try_clone().unwrap();
    let list = list();
    let (sender, expected) = std::sync::mpsc::sync_channel(8);
    let count = list.len();
    let asking = thread::spawn(move || {
        for (cookie, Asked { flags, command, offset, length }) in (0..).zip(list) {
            let place = usize::try_from(offset).unwrap()..usize::try_from(offset + length).unwrap();
            let mut data = Vec::new();
            let mut answer = Vec::new();
            match command {
                WRITE => {
                    data = solid_bytes(cookie, place.len());
                    image[place].copy_from_slice(&data);
                }
                TRIM | WRITE_ZEROES => image[place].fill(0),
                READ => answer = image[place].to_vec(),
                _ => {}
            }
            let length = u32::try_from(length).unwrap();
            sender.send((cookie, answer)).unwrap();
            stream.write_all(&request(flags, command, cookie, offset, length)).unwrap();
            stream.write_all(&data).unwrap();
        }
        image
    });
    let mut due = HashMap::new();
    for _ in 0..count {
        let (cookie, error) = client.reply().unwrap();
        assert_eq!(error, 0, "request {cookie}");
        while !due.contains_key(&cookie) {
            let (next, answer): (u64, Vec<u8>) = expected.recv().unwrap();
            due.insert(next, answer);
        }
        let answer = due.remove(&cookie).unwrap();
        let data = client.receive(answer.len()).unwrap();
        assert!(data == answer, "request {cookie}: {} bytes are not what they were", data.len());
    }
    let mut image = asking.join().unwrap();
    drop(client);
    server.sandbox.blank("again.img", 80 * MIB);
    let written = std::fs::read(server.sandbox.path("disk.img")).unwrap();
    assert!(written == image, "the image is not what was written");
    image.clear();
    let trace = server.still_serves_on("again.img");
    assert_eq!(trace.rows.len(), count + 2);
    assert_eq!(trace.of("write").filter(|row| row.len == HUGE).count(), 3);
}
