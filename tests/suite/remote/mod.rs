//! Recordings and replays whose image is an export of another server: qemu-nbd, nbdkit, and ourselves.
//!
//! Here is how servers are started. Invariant: a server that is handed out lets clients in.

/// What a server can, what it cannot, and what it promises.
mod abilities;
/// Servers that say nothing for a while, or for ever.
mod stalls;
/// Exports that cannot be used, and servers that go away.
mod troubles;

use rustix::process::Pid;

use crate::support::{Running, Sandbox, wait_for};
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

/// A server of others, ended with the test.
pub(crate) struct Served {
    server: Running,
    pub(crate) uri: String,
}

impl Served {
    pub(crate) fn pid(&self) -> Pid {
        self.server.pid()
    }
}

/// Starts `program` with `arguments`, of which `{socket}` and `{pid}` are files of its own, and waits until it listens.
fn serve(sandbox: &Sandbox, program: &str, arguments: &str) -> Served {
    let (socket, pid) = (sandbox.path("server.sock"), sandbox.path("server.pid"));
    let _ = std::fs::remove_file(&socket);
    let _ = std::fs::remove_file(&pid);
    let words = arguments.split_whitespace().map(|word| {
        let word = word.replace("{socket}", &socket.display().to_string());
        word.replace("{pid}", &pid.display().to_string())
    });
    let server = sandbox.tool(program).args(words).start();
    // It is written when clients can come.
    wait_for("the server", || std::fs::read(&pid).ok().filter(|text| text.ends_with(b"\n")));
    Served { server, uri: format!("nbd+unix:///?socket={}", socket.display()) }
}

pub(crate) fn qemu_nbd(sandbox: &Sandbox, more: &str) -> Served {
    let arguments = "--persistent --socket={socket} --pid-file={pid} -f raw ";
    serve(sandbox, "qemu-nbd", &format!("{arguments}{more}"))
}

pub(crate) fn nbdkit(sandbox: &Sandbox, more: &str) -> Served {
    serve(sandbox, "nbdkit", &format!("-f -U {{socket}} -P {{pid}} {more}"))
}

#[test]
fn a_production_export_is_recorded_without_moving_it_and_replayed_onto_another() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 16 * MIB);
    sandbox.blank("again.img", 16 * MIB);
    sandbox.solid("source.img", 5, 16 * MIB);
    let server = qemu_nbd(&sandbox, "--shared=8 disk.img");
    sandbox
        .blkreplay(&format!("record {} -o t.blkr --write", server.uri))
        .args(["--", "nbdcopy", "--connections=4", "--flush", "source.img", "{uri}"])
        .finish()
        .succeeds();
    drop(server);
    sandbox.assert_same("disk.img", "source.img");
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(trace.bytes("write"), 16 * MIB);
    assert!(
        trace.rows.iter().all(|row| row.result.as_deref() == Some("ok") && row.dev == "server")
    );
    assert!(trace.rows.iter().any(|row| row.conn > 0), "each of its connections has one of ours");

    let server = qemu_nbd(&sandbox, "--shared=8 again.img");
    sandbox.blkreplay(&format!("replay t.blkr {} --write", server.uri)).finish().succeeds();
    drop(server);
    sandbox.assert_same("again.img", "source.img");
}

#[test]
fn a_script_of_every_operation_leaves_the_export_as_it_would_leave_a_file() {
    let sandbox = Sandbox::new();
    for name in ["disk.img", "file.img", "before.img"] {
        sandbox.solid(name, 3, 4 * MIB);
    }
    sandbox.write(
        "script",
        b"aio_write -P 0x11 0 64k
aio_write -P 0x22 32k 64k
aio_read 64k 32k
aio_flush
discard 256k 64k
write -z -u 384k 64k
write -z 448k 64k
write -f -P 0x55 513k 4k
read -P 0 256k 64k
read -P 0 384k 128k
read -P 0x55 513k 4k
flush
quit
",
    );
    let client =
        sandbox.script("client.sh", "qemu-io -f raw \"$BLKREPLAY_URI\" <script >said 2>&1");
    let server = qemu_nbd(&sandbox, "disk.img");
    let record = format!("record {} -o t.blkr --write --payload all -- {client}", server.uri);
    sandbox.blkreplay(&record).finish().succeeds();
    drop(server);
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(!said.contains("ailed"), "{said}");
    let file = format!("record file.img -o file.blkr --write -- {client}");
    sandbox.blkreplay(&file).finish().succeeds();
    sandbox.assert_same("disk.img", "file.img");
    let (remote, local) = (Trace::whole(&sandbox, "t.blkr"), Trace::whole(&sandbox, "file.blkr"));
    assert_eq!(remote.tally(), local.tally(), "the client was offered the same");

    sandbox.copy("before.img", "disk.img");
    let server = qemu_nbd(&sandbox, "disk.img");
    sandbox.blkreplay(&format!("replay t.blkr {} --write", server.uri)).finish().succeeds();
    sandbox.copy("before.img", "local.img");
    drop(server);
    sandbox.blkreplay("replay t.blkr local.img --write").finish().succeeds();
    sandbox.assert_same("disk.img", "file.img");
    sandbox.assert_same("local.img", "file.img");
}

#[test]
fn without_write_the_export_is_only_read_and_the_client_notices_nothing() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 4, 4 * MIB);
    sandbox.copy("disk.img", "before.img");
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'write -P 7 1k 64k' -c 'discard 128k 4k' -c 'read -P 7 1k 64k' -c 'read -P 0 128k 4k' \
         \"$BLKREPLAY_URI\" >said 2>&1",
    );
    // What it does not let anybody write can be recorded all the same.
    let server = qemu_nbd(&sandbox, "--read-only disk.img");
    sandbox
        .blkreplay(&format!("record {} -o t.blkr -- {client}", server.uri))
        .finish()
        .succeeds()
        .says(&["written and thrown away; --write keeps them"]);
    assert!(!String::from_utf8(sandbox.read("said")).unwrap().contains("ailed"));
    let replay = format!("replay t.blkr {} --output-image after.img", server.uri);
    sandbox.blkreplay(&replay).finish().succeeds();
    drop(server);
    sandbox.assert_same("disk.img", "before.img");
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    sandbox.assert_same("after.img", "before.img");
}

#[test]
fn a_recording_of_a_recording_over_tcp_has_the_same_requests() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 6, 4 * MIB);
    let mut inner =
        sandbox.blkreplay("record disk.img -o inner.blkr --listen tcp:127.0.0.1:0").start();
    // The line is whole when its end is there.
    inner.wait_for_stderr("image disk.img\n");
    let said = inner.stderr();
    let uri = said.split_whitespace().find(|word| word.starts_with("nbd://")).unwrap();
    sandbox
        .blkreplay(&format!(
            "record {uri} -o outer.blkr --fingerprint none -- nbdcopy {{uri}} out.img"
        ))
        .finish()
        .succeeds();
    inner.signal(rustix::process::Signal::INT);
    inner.finish().succeeds();
    sandbox.assert_same("disk.img", "out.img");
    let (inner, outer) =
        (Trace::whole(&sandbox, "inner.blkr"), Trace::whole(&sandbox, "outer.blkr"));
    assert_eq!(outer.bytes("read"), 4 * MIB);
    let reads = |trace: &Trace| {
        let mut ranges: Vec<_> = trace.of("read").map(|row| (row.off, row.len)).collect();
        ranges.sort_unstable();
        ranges
    };
    assert_eq!(reads(&inner), reads(&outer));
}

#[test]
fn a_client_is_run_again_on_the_export() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 8, MIB);
    let server = qemu_nbd(&sandbox, "disk.img");
    let client = "qemu-io -f raw -c 'read 0 64k' -c 'read 128k 4k'";
    let record = ["--", "sh", "-c", &format!("{client} \"$BLKREPLAY_URI\"")];
    sandbox.blkreplay(&format!("record {} -o t.blkr", server.uri)).args(record).finish().succeeds();
    let replay = format!("replay t.blkr {}", server.uri);
    sandbox.blkreplay(&replay).args(record).finish().succeeds();
    let other = ["--", "sh", "-c", "qemu-io -f raw -c 'read 4k 64k' \"$BLKREPLAY_URI\""];
    sandbox.blkreplay(&format!("{replay} --patience 1s")).args(other).finish().ends_with(1);
}
