//! Everything that can be said, said wrong: cut anywhere, of any length, with any flag, by many, by those who never listen. Each client harms
//! only itself: afterwards another is served, the recording ends in order, the trace is whole, and image and trace agree.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use blkreplay_fixtures::workload::solid_bytes;

use super::clients::{MIB, Server};
use super::raw_client::{READ, RawClient, WRITE};
use super::script::{self, ABORT, EXPORT_NAME, GO};

const OPTION_REPLY_MAGIC: [u8; 8] = 0x0003_e889_0455_65a9_u64.to_be_bytes();
const ACK: u32 = 1;
const TOO_BIG: u32 = 0x8000_0009;

/// Commands of proto.md, and some that are none.
const COMMANDS: [u16; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, u16::MAX];

/// All that the server says to this, to its end.
fn answer(server: &Server, said: &[u8]) -> Vec<u8> {
    let mut client = RawClient::silent(&server.socket());
    // It may end the connection before it has heard all.
    let _ = client.stream.write_all(said);
    let _ = client.stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match client.stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    answer
}

/// The kinds of answers to options, in order; what is none fails.
fn kinds(mut answers: &[u8]) -> Vec<(u32, u32)> {
    let mut kinds = Vec::new();
    while !answers.is_empty() {
        assert!(answers.len() >= 20, "{} bytes are no answer to an option", answers.len());
        assert_eq!(answers[..8], OPTION_REPLY_MAGIC, "{answers:?}");
        let word = |at: usize| u32::from_be_bytes(answers[at..at + 4].try_into().unwrap());
        let (option, kind, length) = (word(8), word(12), word(16) as usize);
        assert!(answers.len() >= 20 + length, "an answer is cut off");
        kinds.push((option, kind));
        answers = &answers[20 + length..];
    }
    kinds
}

/// A client that goes at every byte of a conversation, once it has heard all answers to what it said.
#[track_caller]
fn goes_at_every_byte(structured: bool) {
    let server = Server::start(4 * MIB);
    let length = pieces_at(structured, 0).iter().map(|piece| piece.bytes.len()).sum::<usize>();
    assert!(length > 1000, "{length}");
    let mut expected = 0;
    for cut in 0..=length {
        let pieces = pieces_at(structured, cut as u64 * 1024);
        let said: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
        let mut end = 0;
        for piece in &pieces {
            end += piece.bytes.len();
            expected += usize::from(piece.is_request && end <= cut);
        }
        answer(&server, &said[..cut]);
    }
    server.sandbox.blank("again.img", 4 * MIB);
    let trace = server.still_serves_on("again.img");
    assert_eq!(trace.rows.len(), expected + 2, "what came whole was asked, what did not was not");
}

fn pieces_at(structured: bool, offset: u64) -> Vec<script::Piece> {
    script::everything(structured, offset, &solid_bytes(offset, 1024))
}

#[test]
fn a_client_may_go_at_every_byte_of_what_it_says() {
    goes_at_every_byte(false);
}

#[test]
fn a_client_with_structured_replies_may_go_at_every_byte_too() {
    goes_at_every_byte(true);
}

#[test]
fn a_client_may_drop_its_socket_at_every_byte_without_a_look_at_the_answers() {
    let server = Server::start(4 * MIB);
    let said: Vec<u8> = pieces_at(true, 0).into_iter().flat_map(|piece| piece.bytes).collect();
    for cut in 0..=said.len() {
        let mut client = RawClient::silent(&server.socket());
        let _ = client.stream.write_all(&said[..cut]);
    }
    server.sandbox.blank("again.img", 4 * MIB);
    server.still_serves_on("again.img");
}

#[test]
fn every_option_with_data_of_every_wrong_shape_is_answered_or_ends_that_client() {
    let server = Server::start(MIB);
    let huge = u32::MAX.to_be_bytes();
    let mut shapes: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0xff; 4], vec![0xff; 64], vec![0; 64]];
    for whole in [script::go_data(), script::context_data()] {
        shapes.extend((0..whole.len()).map(|cut| whole[..cut].to_vec()));
        // A name, then a count, that claims more than there is.
        shapes.push([&huge[..], &whole[4..]].concat());
        shapes.push([&whole[..4], &huge[..], &whole[8..]].concat());
        shapes.push([&whole[..], &[0; 3]].concat());
        shapes.push(whole);
    }
    let mut answered = 0;
    for number in (0..=12).chain([255, u32::MAX]) {
        for shape in &shapes {
            let said = [
                &3_u32.to_be_bytes()[..],
                &script::option(number, shape),
                &script::option(ABORT, &[]),
            ];
            let got = answer(&server, &said.concat());
            // `EXPORT_NAME` has no way to say no, and a good `GO` is no negotiation any more.
            let is_heard = ![EXPORT_NAME, ABORT, GO].contains(&number);
            if is_heard {
                let kinds = kinds(&got);
                let (last, before) = kinds.split_last().unwrap();
                assert_eq!(*last, (ABORT, ACK), "option {number} with {shape:?}: {kinds:?}");
                assert!(!before.is_empty(), "option {number} with {shape:?} is not answered");
                assert!(before.iter().all(|(of, _)| *of == number), "{number}: {kinds:?}");
                answered += 1;
            }
        }
        // Lengths that nobody waits for, and one that never comes.
        for length in [1 << 17, 1 << 30, u32::MAX] {
            let said = [&3_u32.to_be_bytes()[..], &script::claiming(number, length, &[0; 100])];
            // It is shown out unread, and told why where the option has an answer that says no.
            let told = kinds(&answer(&server, &said.concat()));
            let expected: &[(u32, u32)] =
                if number == EXPORT_NAME { &[] } else { &[(number, TOO_BIG)] };
            assert_eq!(told, expected, "option {number} claims {length}");
        }
    }
    assert!(answered > 500, "{answered}");
    assert_eq!(server.still_serves().rows.len(), 2);
}

#[test]
fn every_command_with_every_flag_length_and_place_is_answered_once_by_its_cookie() {
    let server = Server::start(MIB);
    let mut client = RawClient::ready(&server.socket());
    let flags = (0..16).map(|bit| 1 << bit).chain([0, u16::MAX]);
    let mut cookie = 0;
    for flags in flags {
        for command in COMMANDS.into_iter().filter(|command| *command != 2) {
            for offset in [0, 1, MIB - 512, MIB, u64::MAX - 511, u64::MAX] {
                for length in [0, 1, 512, 4096] {
                    cookie += 1;
                    let mut said = script::request(flags, command, cookie, offset, length);
                    said.extend(vec![7; if command == WRITE { length as usize } else { 0 }]);
                    client.send(&said);
                    let (of, error) = client.reply().unwrap();
                    assert_eq!(of, cookie, "{command} {flags:#x} {offset} {length}");
                    if command == READ && error == 0 {
                        client.receive(length as usize).unwrap();
                    }
                    let fits = offset.checked_add(length.into()).is_some_and(|end| end <= MIB);
                    assert!(fits || error != 0, "{command} {flags:#x} {offset} {length} worked");
                }
            }
        }
    }
    drop(client);
    server.sandbox.blank("again.img", MIB);
    let trace = server.still_serves_on("again.img");
    // Commands that there are not are no requests.
    assert_eq!(trace.rows.len() as u64, cookie / 11 * 7 + 2);
}

#[test]
fn requests_with_one_cookie_in_flight_together_are_answered_each() {
    let server = Server::start(MIB);
    let mut client = RawClient::ready(&server.socket());
    let said: Vec<u8> =
        (0..500).flat_map(|number| script::request(0, READ, 42, number * 512, 512)).collect();
    client.send(&said);
    for _ in 0..500 {
        assert_eq!(client.reply().unwrap(), (42, 0));
        assert_eq!(client.receive(512).unwrap(), [0; 512]);
    }
    drop(client);
    assert_eq!(server.still_serves().rows.len(), 502);
}

#[test]
fn who_asks_for_gigabytes_and_reads_nothing_takes_little_memory_and_holds_up_nobody() {
    let server = Server::start(16 * MIB);
    drop(RawClient::ready(&server.socket()));
    let before = server.memory_peak();
    let deaf: Vec<RawClient> = (0..3)
        .map(|_| {
            let mut client = RawClient::ready(&server.socket());
            client.stream.set_nonblocking(true).unwrap();
            let ask = script::request(0, READ, 1, 0, 8 << 20);
            // As many as it takes.
            for _ in 0..1000 {
                if client.stream.write_all(&ask).is_err() {
                    break;
                }
            }
            client
        })
        .collect();
    let mut busy = RawClient::ready(&server.socket());
    for number in 0..200 {
        busy.ask(READ, number * 4096, 4096);
        assert_eq!(busy.reply().unwrap(), (number * 4096, 0));
        busy.receive(4096).unwrap();
    }
    let grown = server.memory_peak() - before;
    // Each may have 64 MiB of answers waiting.
    assert!(grown < 3 * 80 * MIB, "{grown} bytes");
    drop(busy);
    drop(deaf);
    server.still_serves();
}

#[test]
fn a_client_that_reads_a_byte_at_a_time_gets_all_it_asked_for() {
    let server = Server::start(MIB);
    let mut slow = RawClient::ready(&server.socket());
    slow.send(
        &[script::request(0, READ, 1, 0, 2048), script::request(0, READ, 2, 0, 512)].concat(),
    );
    let mut got = Vec::new();
    let mut byte = [0];
    while got.len() < 16 + 2048 + 16 + 512 {
        slow.stream.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
        if got.len() % 512 == 0 {
            // Others come and go meanwhile.
            let mut other = RawClient::ready(&server.socket());
            other.ask(READ, 0, 512);
            assert_eq!(other.reply().unwrap(), (0, 0));
        }
    }
    assert_eq!(got[16 + 2048 + 8..][..8], 2_u64.to_be_bytes());
    drop(slow);
    assert_eq!(server.still_serves().rows.len(), 2 + 5 + 2);
}
