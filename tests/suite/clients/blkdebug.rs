//! `qemu-io` whose requests QEMU's `blkdebug` driver holds back, lets go and fails as it is told: orders that are the same
//! each time.
//!
//! Invariant: what reaches us, and in which order, is decided by a breakpoint of the client and no clock, so that a replay
//! of the same client must agree, and that of another order must not.

use crate::clients::{assert_replays, live};
use crate::support::Sandbox;
use crate::trace::Trace;

const KIB: u64 = 1 << 10;

/// What a client does, and what we hear of it: operations with offsets and lengths in KiB.
struct Order {
    /// More of blkdebug's options.
    options: &'static str,
    commands: &'static [&'static str],
    heard: &'static [(&'static str, u64, u64)],
    /// What the client's own tool says of it.
    said: &'static [&'static str],
}

/// A write that began first is passed by another one.
const WRITES: Order = Order {
    options: "",
    commands: &[
        "break pwritev A",
        "aio_write -P 1 0 64k",
        "wait_break A",
        "write -P 2 1M 64k",
        "resume A",
        "aio_flush",
    ],
    heard: &[("write", 1024, 64), ("write", 0, 64)],
    said: &["Suspended request 'A'", "Resuming request 'A'"],
};

/// The same where the two overlap: what is left is the one that came last.
const OVERLAPPING: Order = Order {
    options: "",
    commands: &[
        "break pwritev A",
        "aio_write -P 1 0 64k",
        "wait_break A",
        "write -P 2 32k 64k",
        "resume A",
        "aio_flush",
        "read -P 1 0 64k",
        "read -P 2 64k 32k",
    ],
    heard: &[("write", 32, 64), ("write", 0, 64), ("read", 0, 64), ("read", 64, 32)],
    said: &["Resuming request 'A'"],
};

/// A flush that covers less than its client may think: the write that it passes is none of its business.
const FLUSHED: Order = Order {
    options: "",
    commands: &[
        "write -P 3 2M 4k",
        "break pwritev A",
        "aio_write -P 1 0 64k",
        "wait_break A",
        "flush",
        "read -P 3 2M 4k",
        "resume A",
        "aio_flush",
        "flush",
    ],
    heard: &[
        ("write", 2048, 4),
        ("flush", 0, 0),
        ("read", 2048, 4),
        ("write", 0, 64),
        ("flush", 0, 0),
    ],
    said: &["Resuming request 'A'"],
};

/// A read that began first sees what was written meanwhile.
const READ: Order = Order {
    options: "",
    commands: &[
        "break read_aio A",
        "aio_read -P 7 0 64k",
        "wait_break A",
        "write -P 7 0 64k",
        "resume A",
        "aio_flush",
    ],
    heard: &[("write", 0, 64), ("read", 0, 64)],
    said: &["read 65536/65536 bytes at offset 0"],
};

/// The answer has come, and the client is kept from seeing it.
const ANSWERED: Order = Order {
    options: "",
    commands: &[
        "break pwritev_done A",
        "aio_write -P 1 0 64k",
        "wait_break A",
        "read -P 1 0 64k",
        "write -P 2 0 4k",
        "resume A",
        "aio_flush",
        "read -P 2 0 4k",
    ],
    heard: &[("write", 0, 64), ("read", 0, 64), ("write", 0, 4), ("read", 0, 4)],
    said: &["Resuming request 'A'"],
};

/// Zeroes that are passed by a discard and by a write to the same place.
const ZEROES: Order = Order {
    options: "",
    commands: &[
        "break pwritev_zero A",
        "aio_write -z -u 0 64k",
        "wait_break A",
        "discard 1M 64k",
        "write -P 1 0 4k",
        "resume A",
        "aio_flush",
        "read -P 0 0 64k",
    ],
    heard: &[("discard", 1024, 64), ("write", 0, 4), ("write_zeroes", 0, 64), ("read", 0, 64)],
    said: &["Resuming request 'A'"],
};

/// A disk that is full once, on the client's side: we never hear of that write.
const FULL: Order = Order {
    options: ",file.inject-error.0.event=pwritev,file.inject-error.0.errno=28,file.inject-error.0.once=on",
    commands: &["write -P 1 0 64k", "write -P 2 64k 64k", "read -P 2 64k 64k"],
    heard: &[("write", 64, 64), ("read", 64, 64)],
    said: &["write failed: No space left on device", "wrote 65536/65536 bytes at offset 65536"],
};

/// A sector that cannot be read once, on the client's side.
const UNREADABLE: Order = Order {
    options: ",file.inject-error.0.event=read_aio,file.inject-error.0.errno=5,file.inject-error.0.once=on",
    commands: &["write -P 1 0 4k", "read 0 4k", "read -P 1 0 4k"],
    heard: &[("write", 0, 4), ("read", 0, 4)],
    said: &["read failed: Input/output error", "read 4096/4096 bytes at offset 0"],
};

/// The words that run it; what the client says goes to the file `said`. A breakpoint that never comes would wait for ever.
fn client(sandbox: &Sandbox, order: &Order) -> String {
    let commands = order.commands.iter().map(|command| format!(" -c '{command}'"));
    sandbox.script(
        "client.sh",
        &format!(
            "image=driver=raw,file.driver=blkdebug,file.image.driver=nbd,file.image.server.type=unix
             image=$image,file.image.server.path=$BLKREPLAY_SOCKET{}
             timeout 60 qemu-io -t writeback{} --image-opts $image >said 2>&1 || test $? = 1",
            order.options,
            commands.collect::<String>()
        ),
    )
}

fn blank(sandbox: &Sandbox) {
    for name in ["disk.img", "before.img"] {
        sandbox.blank(name, 4096 * KIB);
    }
}

/// Records it, checks what came in which order, and lets the client do it again behind a replay.
#[track_caller]
fn check(order: &Order) {
    let sandbox = Sandbox::new();
    blank(&sandbox);
    let client = client(&sandbox, order);
    let trace = live::record(&sandbox, "--write", &client);
    let mut heard: Vec<_> =
        trace.rows.iter().map(|row| (row.op.as_str(), row.off / KIB, row.len / KIB)).collect();
    // One more comes at the close, and QEMU may ask twice where once is enough.
    heard.dedup();
    let mut expected = order.heard.to_vec();
    expected.push(("flush", 0, 0));
    expected.dedup();
    assert_eq!(heard, expected);
    was_said(&sandbox, order);
    live::replay(&sandbox, "before.img --write", &client).repeats(&trace);
    sandbox.assert_same("before.img", "disk.img");
    was_said(&sandbox, order);
    sandbox.blank("before.img", 4096 * KIB);
    assert_replays(&sandbox);
}

#[track_caller]
fn was_said(sandbox: &Sandbox, order: &Order) {
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(order.said.iter().all(|text| said.contains(text)), "{said}");
    assert!(!said.contains("verification failed"), "{said}");
}

#[test]
fn a_write_that_another_one_passed_is_recorded_and_replayed_behind_it() {
    check(&WRITES);
    check(&OVERLAPPING);
}

#[test]
fn a_write_that_a_flush_or_a_discard_passed_is_recorded_and_replayed_behind_it() {
    check(&FLUSHED);
    check(&ZEROES);
}

#[test]
fn a_read_that_a_write_passed_sees_it_each_time() {
    check(&READ);
    check(&ANSWERED);
}

#[test]
fn errors_that_the_client_makes_for_itself_are_not_ours() {
    check(&FULL);
    check(&UNREADABLE);
}

#[test]
fn a_client_that_lets_its_writes_go_in_the_other_order_diverges_by_the_one_that_waits() {
    let sandbox = Sandbox::new();
    blank(&sandbox);
    let passed = client(&sandbox, &WRITES);
    let trace: Trace = live::record(&sandbox, "--write", &passed);
    let commands = &["write -P 1 0 64k", "write -P 2 1M 64k"];
    let in_turn = client(&sandbox, &Order { commands, ..WRITES });
    let first = trace.of("write").filter(|row| row.off == 1024 * KIB);
    live::replay(&sandbox, "before.img --patience 1s", &in_turn)
        .diverges_at(&["order"], first)
        .says(&["threads"]);
}
