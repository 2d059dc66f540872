//! Many clients for long: one that checks all it reads, and others that come, work, break off and die on the same export.
//!
//! Invariant: afterwards the image, the trace and a replay of it agree. `BLKREPLAY_SOAK_SECONDS` says for how long, a minute unless it is
//! set; what the others do is drawn from `BLKREPLAY_SOAK_SEED`, which a failure prints.

use std::env;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use blkreplay_fixtures::workload::{Numbers, solid_bytes};

use super::clients::{MIB, Server};
use super::raw_client::{READ, RawClient};
use super::script;
use crate::support::{PROGRAM_TIME_LIMIT, Sandbox};

/// The checked part of the export, in MiB; the others write behind it.
const CHECKED: u64 = 64;

/// How many others there are at once.
const OTHERS: u64 = 3;

fn number(variable: &str, otherwise: u64) -> u64 {
    let Ok(text) = env::var(variable) else { return otherwise };
    text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}"))
}

/// What one of the others does, over and over, until it is enough. How often it came.
fn others(socket: &Path, seed: u64, is_enough: &AtomicBool) -> u64 {
    let mut dice = Numbers::new(seed);
    let mut times = 0;
    while !is_enough.load(Ordering::Relaxed) {
        once(socket, &mut dice);
        times += 1;
        thread::sleep(Duration::from_millis(1 + dice.below(40)));
    }
    times
}

fn up_to(dice: &mut Numbers, most: usize) -> usize {
    usize::try_from(dice.below(most as u64 + 1)).unwrap()
}

/// A client that does something and goes, one way or the other.
fn once(socket: &Path, dice: &mut Numbers) {
    let place = CHECKED * MIB + dice.below(16 * MIB / 1024) * 1024;
    match dice.below(5) {
        // Says nothing, or goes in the middle of a word.
        0 => {
            let Some(mut client) = RawClient::greeted(socket) else { return };
            let _ = client.stream.write_all(&[0; 3][..up_to(dice, 2)]);
        }
        // Goes anywhere in a conversation, whether it has heard the answers or not.
        1 => {
            let data = solid_bytes(dice.below(u64::MAX), 1024);
            let said = script::everything(dice.below(2) == 0, place, &data);
            let said: Vec<u8> = said.into_iter().flat_map(|piece| piece.bytes).collect();
            let Some(mut client) = RawClient::greeted(socket) else { return };
            let _ = client.stream.write_all(&said[..up_to(dice, said.len())]);
            if dice.below(2) == 0 {
                let _ = client.stream.shutdown(std::net::Shutdown::Write);
                client.is_ended();
            }
        }
        // Talks nonsense where requests are expected.
        2 => {
            let mut client = RawClient::ready(socket);
            let _ = client.stream.write_all(&solid_bytes(dice.below(u64::MAX), 1 << 10));
            client.is_ended();
        }
        // Asks for much and goes without a look at it.
        3 => {
            let mut client = RawClient::ready(socket);
            let _ = client.stream.set_nonblocking(true);
            for cookie in 0..dice.below(64) {
                let ask = script::request(0, READ, cookie, 0, 1 << 20);
                if client.stream.write_all(&ask).is_err() {
                    return;
                }
            }
        }
        // Reads in good order.
        _ => {
            let mut client = RawClient::ready(socket);
            for _ in 0..dice.below(50) {
                let offset = dice.below(CHECKED * 256) * 4096;
                client.ask(READ, offset, 4096);
                assert_eq!(client.reply().unwrap(), (offset, 0));
                client.receive(4096).unwrap();
            }
        }
    }
}

/// Another program that is killed while it works.
fn is_killed(sandbox: &Sandbox, uri: &str) {
    let writes = (0..64).map(|number| CHECKED + 16 + number % 8);
    let commands: Vec<String> =
        writes.map(|place| format!("aio_write -q -P {} {place}M 256k", place % 256)).collect();
    let mut client = sandbox.tool("qemu-io");
    client = client.args(["-f", "raw"]);
    for command in &commands {
        client = client.args(["-c", command]);
    }
    let client = client.args([uri]).start();
    thread::sleep(Duration::from_millis(30));
    // It may have been faster.
    drop(client);
}

#[test]
fn image_trace_and_replay_agree_after_many_clients_have_come_and_died() {
    let seconds = number("BLKREPLAY_SOAK_SECONDS", 60);
    let seed = number("BLKREPLAY_SOAK_SEED", 1);
    eprintln!("BLKREPLAY_SOAK_SEED={seed} does this again");
    let server = Server::start((CHECKED + 24) * MIB);
    let socket = server.socket();
    let uri = format!("nbd+unix:///?socket={}", socket.display());
    let options = "--rw=randrw --bs=4k --iodepth=16 --verify=crc32c --verify_fatal=1 --verify_backlog=256 \
                   --numjobs=4 --rate_iops=150,150 --time_based --group_reporting";
    let quarter = format!("--size={}M --offset_increment={}M", CHECKED / 4, CHECKED / 4);
    let mut checked = server
        .sandbox
        .tool("fio")
        .args(["--name=soak", "--ioengine=nbd", "--randrepeat=0", &format!("--runtime={seconds}")])
        .args([&format!("--uri={uri}")])
        .args(options.split_whitespace().chain(quarter.split_whitespace()))
        .start();
    let is_enough = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(seconds);
    let came: u64 = thread::scope(|scope| {
        let (is_enough, socket) = (&is_enough, &socket);
        let others: Vec<_> = (0..OTHERS)
            .map(|other| scope.spawn(move || others(socket, seed * OTHERS + other, is_enough)))
            .collect();
        while Instant::now() < end && checked.is_running() {
            is_killed(&server.sandbox, &uri);
            thread::sleep(Duration::from_millis(500));
        }
        is_enough.store(true, Ordering::Relaxed);
        others.into_iter().map(|other| other.join().unwrap()).sum()
    });
    checked.finish().succeeds();
    let peak = server.memory_peak();
    server.sandbox.blank("again.img", (CHECKED + 24) * MIB);
    // A build for tests does no more in a second than was done in one then.
    let limit = PROGRAM_TIME_LIMIT + Duration::from_secs(seconds);
    let trace = server.still_serves_on_within("again.img", limit);
    let (reads, writes) = (trace.count("read"), trace.count("write"));
    println!(
        "{seconds} s: {came} clients came and went, {} requests, {reads} reads and {writes} writes, {} MiB at most",
        trace.rows.len(),
        peak >> 20
    );
    assert!(came > seconds, "{came} others came in {seconds} s");
    assert!(reads > 100 * seconds && writes > 100 * seconds, "{reads} reads, {writes} writes");
    // Each connection may have 64 MiB of answers waiting, and some go on for a moment after their clients.
    assert!(peak < 16 * 64 * MIB, "{peak} bytes of memory");
}
