//! Several disks in one trace: each request belongs to one of them, and each image is that of one.

use crate::clients::live::{Replay, record_on, replay};
use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

const IMAGES: [&str; 2] = ["one.img", "two.img"];

/// Each disk in turn, then both at once, and a request of each that asks the same as one of the other.
const CLIENT: &str = "\
    io() { qemu-io -t writeback -f raw \"$@\" >>said; }
    io -c 'write -P 1 0 64k' -c 'read -P 1 0 64k' \"$BLKREPLAY_URI\"
    io -c 'write -P 2 0 64k' -c 'read -P 2 0 64k' -c flush \"$BLKREPLAY_URI_1\"
    io -c 'write -P 3 1M 64k' -c 'discard 0 4k' -c 'read -P 3 1M 64k' \"$BLKREPLAY_URI\" & one=$!
    io -c 'write -P 4 1M 64k' -c 'write -z 2M 64k' -c 'read -P 4 1M 64k' \"$BLKREPLAY_URI_1\" & two=$!
    wait $one; wait $two
    ! grep -q ailed said";

/// Records [`CLIENT`]; the images as they were before are `before-one.img` and `before-two.img`.
#[track_caller]
fn recorded(sandbox: &Sandbox) -> (Trace, String) {
    for (seed, image) in (50..).zip(IMAGES) {
        sandbox.solid(image, seed, 4 * MIB);
        sandbox.copy(image, &format!("before-{image}"));
    }
    let client = sandbox.script("client.sh", CLIENT);
    (record_on(sandbox, &IMAGES.join(" "), "--write --payload all", &client), client)
}

#[test]
fn two_disks_become_again_what_they_became() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    for image in IMAGES {
        let device = image.trim_end_matches(".img");
        assert!(trace.rows.iter().any(|row| row.dev == device), "{device}: {:?}", trace.rows);
    }
    replay(&sandbox, "before-one.img before-two.img --write", &client).repeats(&trace);
    for image in IMAGES {
        sandbox.assert_same(image, &format!("before-{image}"));
    }
}

#[test]
fn images_that_are_named_may_come_in_any_order() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    replay(&sandbox, "two=before-two.img one=before-one.img", &client).repeats(&trace);
    sandbox.remove("said");
    for wrong in ["before-two.img before-one.img", "before-one.img"] {
        let arguments = format!("replay t.blkr {wrong} -- {client}");
        sandbox.blkreplay(&arguments).finish().ends_with(2);
        assert!(!sandbox.path("said").exists(), "{wrong}: the client was started");
    }
}

#[test]
fn the_trace_answers_for_both_disks_without_an_image() {
    let sandbox = Sandbox::new();
    let (trace, client) = recorded(&sandbox);
    for image in IMAGES {
        sandbox.remove(image);
        sandbox.remove(&format!("before-{image}"));
    }
    replay(&sandbox, "", &client).repeats(&trace);
}

#[test]
fn what_is_asked_of_the_other_disk_is_a_change_of_its_device() {
    let sandbox = Sandbox::new();
    let (trace, _) = recorded(&sandbox);
    let swapped = sandbox.script(
        "swapped.sh",
        "qemu-io -t writeback -f raw -c 'write -P 1 0 64k' \"$BLKREPLAY_URI_1\" >said",
    );
    let Replay { finished, json } = replay(&sandbox, "before-one.img before-two.img", &swapped);
    assert_eq!(json["divergence"]["expected"]["dev"], "one", "{finished}");
    assert_eq!(json["divergence"]["came"]["dev"], "two", "{finished}");
    Replay { finished, json }
        .diverges_at(&["changed"], trace.of("write").take(1))
        .in_fields(&["device"]);
}
