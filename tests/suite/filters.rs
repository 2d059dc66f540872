//! `print -f`: what is printed is what a slow and obvious choice from all requests leaves.

mod corpus;
mod events;
mod oracle;
mod searched;
mod world;

use blkreplay_core::query::FIELDS;

use crate::support::{Finished, Sandbox};
use crate::trace::{Row, Trace, rows};

/// Two disks, on which different things are done.
fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("one.img", 90, 4 << 20);
    sandbox.blank("two.img", 4 << 20);
    let client = sandbox.script(
        "client.sh",
        "io() { qemu-io -t writeback -f raw \"$@\" >>said; }
         io -c 'write -q -P 1 0 64k' -c 'write -q -f -P 2 1M 4k' -c 'read -q 512 1k' -c 'discard -q 2M 1M' \"$BLKREPLAY_URI\"
         io -c 'write -q -z 1M 64k' -c 'read -q 1M 64k' -c flush -c 'write -q -P 3 3M 512' \"$BLKREPLAY_URI_1\"",
    );
    sandbox.blkreplay(&format!("record one.img two.img -o t.blkr -- {client}")).finish().succeeds();
    sandbox
}

/// `print t.blkr`, with a filter and other words.
fn print(sandbox: &Sandbox, filter: &str, words: &str) -> Finished {
    sandbox.blkreplay(&format!("print t.blkr {words}")).args(["-f", filter]).finish()
}

#[test]
fn what_is_printed_is_what_the_filter_means() {
    type Means = fn(&Row) -> bool;
    let sandbox = recorded();
    let all = Trace::whole(&sandbox, "t.blkr").rows;
    let cases: [(&str, Means); 12] = [
        ("write", |row| row.op == "write"),
        ("op != write and len > 0", |row| row.op != "write" && row.len > 0),
        ("dev == two", |row| row.dev == "two"),
        ("dev == one and off overlaps 1M..2M", |row| {
            row.dev == "one" && row.off < 2 << 20 && row.off + row.len > 1 << 20
        }),
        ("len % 4k != 0", |row| row.len % 4096 != 0),
        ("lba in 2048..=2100", |row| (2048..=2100).contains(&(row.off / 512))),
        ("op in {zero, trim}", |row| row.op == "write_zeroes" || row.op == "discard"),
        ("id in {1, 3..5} or id >= 8", |row| [1, 3, 4].contains(&row.id) || row.id >= 8),
        ("!(flush or read)", |row| row.op != "flush" && row.op != "read"),
        ("t >= 0ns && conn == 0", |row| row.conn == 0),
        ("err", |_| false),
        ("result == ok and done", |_| true),
    ];
    for (filter, means) in cases {
        let expected: Vec<&Row> = all.iter().filter(|row| means(row)).collect();
        let printed = print(&sandbox, filter, "--json").succeeds();
        let found = rows(&printed.stdout);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
        let text = print(&sandbox, filter, "").succeeds();
        assert_eq!(text.stdout.lines().count(), 1 + expected.len(), "{filter}: {text}");
        let canonical = print(&sandbox, filter, "--format canonical").succeeds();
        let whole = sandbox.blkreplay("print t.blkr --format canonical").finish().succeeds();
        for line in canonical.stdout.lines() {
            assert!(whole.stdout.lines().any(|other| other == line), "{filter}: {line}");
        }
        let tail = rows(&print(&sandbox, filter, "--json --tail 2").succeeds().stdout);
        let last = expected.len().saturating_sub(2);
        assert_eq!(tail.iter().collect::<Vec<_>>(), expected[last..], "{filter}");
        let first = rows(&print(&sandbox, filter, "--json -n 2").succeeds().stdout);
        let two = expected.len().min(2);
        assert_eq!(first.iter().collect::<Vec<_>>(), expected[..two], "{filter}");
        let from = rows(&print(&sandbox, filter, "--json --at #3").succeeds().stdout);
        let later: Vec<&Row> = expected.iter().filter(|row| row.id >= 3).copied().collect();
        assert_eq!(from.iter().collect::<Vec<_>>(), later, "{filter}");
    }
}

#[test]
fn a_filter_that_means_nothing_says_which_part_is_to_blame() {
    let sandbox = recorded();
    let writes = Trace::whole(&sandbox, "t.blkr").of("write").count();
    let said = format!("of {writes} requests that get so far, none passes `lat > 1h`");
    print(&sandbox, "write && lat > 1h && fua", "").succeeds().says(&[&said]);
    let told = print(&sandbox, "write", "").succeeds();
    assert_eq!(told.stderr, "", "{told}");
    let hint = "hint: `..` leaves its end out, `..=` keeps it";
    let last = print(&sandbox, "id in {1000..2000}", "").succeeds();
    last.says(&["none passes `id in {1000..2000}`", hint]);
    let inclusive = print(&sandbox, "id in 1000..=2000", "").succeeds();
    assert!(!inclusive.stderr.contains("hint"), "{inclusive}");
}

#[test]
fn what_is_no_filter_is_refused_with_its_place() {
    let sandbox = recorded();
    let refused = print(&sandbox, "wriet && len > 4k", "").ends_with(2).says(&[
        "error: unknown field `wriet`\n",
        "1 │ wriet && len > 4k\n",
        "  │ ^^^^^ did you mean `write`?\n",
    ]);
    assert_eq!(refused.stdout, "", "{refused}");
    print(&sandbox, "dev == three", "").ends_with(2).says(&["the trace has one, two"]);
    print(&sandbox, "write", "--folded").ends_with(2).says(&["--filter is about requests"]);
    sandbox.write("q.rr", &crate::qemu_logs::log("qemu/logs/q100-boot_a.rr.zst"));
    let log = sandbox.blkreplay("print q.rr -f write").finish();
    log.ends_with(2).says(&["--filter is about requests, and q.rr is a QEMU log"]);
}

/// A recording with a mark, of which all data are kept. Each client flushes when it goes.
fn marked() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 4 << 20);
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let lines = format!(
        "io() {{ qemu-io -t writeback -f raw \"$@\" \"$BLKREPLAY_URI\" >>said; }}
         io -c 'write -q -P 0x45 0 4k' -c 'read -q 1M 4k'
         '{program}' mark begin
         io -c 'write -q -P 0x46 64k 4k' -c 'read -q 0 4k' -c 'write -q -P 0x46 68k 4k'"
    );
    let client = sandbox.script("client.sh", &lines);
    let record = format!("record --payload all disk.img -o t.blkr -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();
    sandbox
}

fn ids(finished: &Finished) -> Vec<u64> {
    rows(&finished.stdout).iter().map(|row| row.id).collect()
}

#[test]
fn data_marks_and_what_came_before_are_asked_of_the_trace_as_a_file_and_as_a_stream() {
    let sandbox = marked();
    for (filter, expected) in [
        ("payload[0:2] == 45:45", &[0, 4][..]),
        ("payload contains \"FF\"", &[3, 5]),
        ("write && payload matches \"^E+$\"", &[0]),
        ("payload[4000] == 0x46", &[3, 5]),
        ("read && has(never_written)", &[1]),
        ("sequential && write", &[]),
        ("note == \"begin\"", &[3, 4, 5, 6]),
        ("mark", &[3]),
        ("t >= @'begin", &[3, 4, 5, 6]),
        ("t < @\"begin\" and count(write) == 3", &[0, 1, 2]),
        ("off == max(off where write)", &[5]),
        ("lat <= p50(lat) || lat > p50(lat)", &[0, 1, 2, 3, 4, 5, 6]),
        ("count(payload contains \"E\") == 2 and id == 1", &[1]),
        ("t >= @00:00:00 - 24h and id < 2", &[0, 1]),
    ] {
        let file = print(&sandbox, filter, "--json").succeeds();
        assert_eq!(ids(&file), expected, "{filter}");
        let stream =
            sandbox.tool("sh").args(["-c", "cat t.blkr | \"$0\" print - --json -f \"$1\""]);
        let stream = stream.args([env!("CARGO_BIN_EXE_blkreplay"), filter]).finish().succeeds();
        assert_eq!(ids(&stream), expected, "{filter}, of a stream");
        let canonical = print(&sandbox, filter, "--format canonical").succeeds();
        assert_eq!(canonical.stdout.lines().count(), 1 + expected.len(), "{filter}");
    }
    let from = print(&sandbox, "step >= 0 and note == \"begin\"", "--json --at #3").succeeds();
    assert_eq!(ids(&from), [3, 4, 5, 6], "what came before is known in the middle, too");
}

#[test]
fn what_a_filter_cannot_be_told_is_said() {
    let sandbox = recorded();
    let told = print(&sandbox, "payload contains 01:01", "").succeeds();
    told.says(&[
        "warning: the trace has no data of ",
        "only data of writes were recorded",
        "blkreplay record --payload all  keeps",
    ]);
    print(&sandbox, "write && payload contains 01:01", "").succeeds();
    print(&sandbox, "t > @'nowhere", "").ends_with(2).says(&[
        "error: the trace has no mark `nowhere`\n",
        "1 │ t > @'nowhere\n",
        "  │     ^^^^^^^^^ not there\n",
    ]);
    for (filter, what) in [
        ("lat > p99(lat)", "the filter asks of all requests together, and -F"),
        ("t > @'a", "the filter asks for the time of a mark, and -F"),
        ("payload contains \"a\"", "the filter asks for data of requests, and -F"),
    ] {
        print(&sandbox, filter, "-F").ends_with(2).says(&[what, "leave out -F"]);
    }
}

#[test]
fn the_help_lists_every_field() {
    let help = Sandbox::new().blkreplay("print --help").finish().succeeds();
    let (_, fields) = help.stdout.split_once("Fields of a filter: ").unwrap();
    let (fields, _) = fields.split_once(". ").unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    assert_eq!(fields, FIELDS.map(|field| field.name));
}
