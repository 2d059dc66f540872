//! `fio` at depth 32: what it asks comes from a seed of its own, what it writes from us or from the time of day.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const SIZE: u64 = 4 << 20;

/// How often a client that does the same is replayed.
const RUNS: usize = 20;

/// The words that run fio with `options`.
fn client(options: &str) -> String {
    format!(
        "fio --name=job --ioengine=nbd --uri={{uri}} --rw=randrw --bs=4k --iodepth=32 --size={SIZE} \
         --output=fio.txt {options}"
    )
}

/// Records fio on a blank disk.
#[track_caller]
fn recorded(sandbox: &Sandbox, client: &str) -> Trace {
    sandbox.blank("disk.img", SIZE);
    sandbox.blank("before.img", SIZE);
    let trace = record(sandbox, "--write", client);
    assert!(trace.count("read") > 100 && trace.count("write") > 100, "{}", trace.rows.len());
    trace
}

#[test]
fn fio_with_data_of_ours_does_the_same_in_each_of_twenty_runs() {
    let sandbox = Sandbox::new();
    let client = client("--scramble_buffers=0 --buffer_pattern=0xdeadbeef");
    let trace = recorded(&sandbox, &client);
    for _ in 0..RUNS {
        replay(&sandbox, "before.img", &client).repeats(&trace);
    }
}

#[test]
fn fio_with_its_own_data_which_hold_the_time_diverges_at_its_first_write() {
    let sandbox = Sandbox::new();
    let client = client("");
    let trace = recorded(&sandbox, &client);
    replay(&sandbox, "before.img", &client)
        .diverges_at(&["changed"], trace.of("write").take(1))
        .in_fields(&["data"])
        .says(&["of 4,096 bytes"]);
}
