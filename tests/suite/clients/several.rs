//! Several images as several exports, several clients at once.

use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

#[test]
fn two_images_are_two_exports_of_one_recording() {
    let sandbox = Sandbox::new();
    sandbox.solid("from.img", 6, 4 * MIB);
    sandbox.solid("to.img", 7, 4 * MIB);
    sandbox.copy("from.img", "from-before.img");
    sandbox.copy("to.img", "to-before.img");
    sandbox
        .blkreplay(
            "record from.img to.img -o t.blkr --write -- \
             qemu-img convert -n -f raw -O raw {uri:0} {uri:1}",
        )
        .finish()
        .succeeds();
    sandbox.assert_same("from.img", "to.img");

    let trace = Trace::whole(&sandbox, "t.blkr");
    assert!(trace.of("read").all(|row| row.dev == "from"));
    assert!(trace.of("write").all(|row| row.dev == "to"));
    assert_eq!(trace.bytes("write"), 4 * MIB);
    sandbox.blkreplay("replay t.blkr from-before.img to-before.img --write").finish().succeeds();
    sandbox.assert_same("to-before.img", "to.img");
    sandbox.assert_same("from-before.img", "from.img");
}

#[test]
fn clients_that_work_at_the_same_time_share_one_line_of_ids() {
    let sandbox = Sandbox::new();
    for (name, seed) in [("one.img", 8), ("two.img", 9)] {
        sandbox.blank(name, 8 * MIB);
        sandbox.blank(&format!("before-{name}"), 8 * MIB);
        sandbox.solid(&format!("source-{name}"), seed, 8 * MIB);
    }
    let client = sandbox.script(
        "client.sh",
        "nbdcopy --connections=2 source-one.img \"$BLKREPLAY_URI\" & one=$!
         nbdcopy --connections=2 source-two.img \"$BLKREPLAY_URI_1\" & two=$!
         wait $one; wait $two",
    );
    sandbox
        .blkreplay(&format!("record one.img two.img -o t.blkr --write -- {client}"))
        .finish()
        .succeeds();
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(trace.bytes("write"), 16 * MIB);
    sandbox.blkreplay("replay t.blkr before-one.img before-two.img --write").finish().succeeds();
    for name in ["one.img", "two.img"] {
        sandbox.assert_same(name, &format!("source-{name}"));
        sandbox.assert_same(name, &format!("before-{name}"));
    }
}

#[test]
fn a_client_on_tcp_is_recorded_as_well() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 10, MIB);
    sandbox
        .blkreplay("record disk.img -o t.blkr --listen tcp:127.0.0.1:0 -- nbdcopy {uri} out.img")
        .finish()
        .succeeds();
    sandbox.assert_same("disk.img", "out.img");
    assert_eq!(Trace::whole(&sandbox, "t.blkr").bytes("read"), MIB);
}
