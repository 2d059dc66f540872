//! An image that is not as it was: by one byte, in a block that its fingerprint looks at and in one that it does not.

use crate::clients::live::{record, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;

/// How far apart the blocks are that the fingerprint of an image of [`SIZE`] samples.
const SAMPLED: u64 = SIZE / 256;

const SIZE: u64 = 16 * MIB;

/// What is read: blocks that are not sampled, then one that is.
const PLACES: [u64; 4] = [BLOCK, 5 * SAMPLED + BLOCK, 9 * SAMPLED + 2 * BLOCK, 12 * SAMPLED];

/// Records a client that reads four blocks, and gives its words.
#[track_caller]
fn recorded(sandbox: &Sandbox) -> (Trace, String) {
    sandbox.solid("disk.img", 40, SIZE);
    let reads = PLACES.map(|place| format!("-c 'read {place} {BLOCK}'"));
    let client = sandbox.script(
        "client.sh",
        &format!("qemu-io -r -f raw {} \"$BLKREPLAY_URI\" >said", reads.join(" ")),
    );
    (record(sandbox, "", &client), client)
}

/// Changes a byte of the block at `place`.
fn change(sandbox: &Sandbox, place: u64) {
    let mut image = sandbox.read("disk.img");
    image[usize::try_from(place).unwrap() + 17] ^= 0x80;
    sandbox.write("disk.img", &image);
}

#[test]
fn the_image_as_it_was_gives_the_client_what_it_read() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    replay(&sandbox, "disk.img", &client).repeats(&trace);
}

#[test]
fn a_byte_that_no_sample_has_is_found_by_the_request_that_reads_it() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    change(&sandbox, PLACES[1]);
    let reads = trace.of("read").filter(|row| row.off == PLACES[1]);
    replay(&sandbox, "disk.img", &client).diverges_at(&["data"], reads);
}

#[test]
fn a_byte_of_a_sample_is_refused_before_the_client_starts_unless_any_image_will_do() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    change(&sandbox, PLACES[3]);
    sandbox.remove("said");
    let arguments = format!("replay t.blkr disk.img -- {client}");
    sandbox.blkreplay(&arguments).finish().ends_with(2).says(&["--any-image"]);
    assert!(!sandbox.path("said").exists(), "the client was not started");

    let reads = trace.of("read").filter(|row| row.off == PLACES[3]);
    replay(&sandbox, "disk.img --any-image", &client).diverges_at(&["data"], reads);
}
