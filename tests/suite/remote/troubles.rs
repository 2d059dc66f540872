//! Exports that cannot be used are refused before anything is recorded; a server that fails or goes away is recorded.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::process::{Signal, kill_process};

use crate::remote::{MIB, nbdkit, qemu_nbd};
use crate::support::{Sandbox, wait_for};
use crate::trace::Trace;

/// Asserts that `image` is refused for a reason that holds `reasons`, before COMMAND is run.
#[track_caller]
fn refused(sandbox: &Sandbox, images: &str, reasons: &[&str]) {
    let refused = sandbox
        .blkreplay(&format!("record {images} -o t.blkr -- touch ran"))
        .finish()
        .ends_with(2)
        .says(&["error: "])
        .says(reasons);
    assert!(refused.stdout.is_empty(), "{refused}");
    assert!(!sandbox.path("ran").exists(), "COMMAND was run");
    assert!(!sandbox.path("t.blkr").exists(), "a trace of nothing was left");
}

#[test]
fn texts_that_are_no_addresses_are_refused_with_what_to_write() {
    let sandbox = Sandbox::new();
    refused(
        &sandbox,
        "nbd+unix:/run/a.sock",
        &["where the socket is", "hint: write 'nbd+unix:///"],
    );
    refused(
        &sandbox,
        "nbds://me@host/disk?tls-psk-file=keys",
        &["pre-shared keys", "hint: certificates are: nbds://"],
    );
    refused(&sandbox, "nbd://host:99999/disk", &["`99999` is no port"]);
    // A file may have any name.
    sandbox.blank("nbd:disk", MIB);
    sandbox.blkreplay("record ./nbd:disk -o t.blkr -- true").finish().succeeds();
}

#[test]
fn a_server_that_is_not_there_is_told_with_how_to_look_for_it() {
    let sandbox = Sandbox::new();
    let uri = format!("nbd+unix:///?socket={}", sandbox.path("nothing").display());
    let hint = format!("hint: nbdinfo '{uri}'");
    refused(&sandbox, &uri, &["cannot connect to the server: No such file", &hint]);
    drop(UnixListener::bind(sandbox.path("nothing")).unwrap());
    refused(&sandbox, &uri, &["cannot connect to the server: Connection refused", &hint]);
    refused(&sandbox, "nbd://127.0.0.1:1/", &["cannot connect to the server: Connection refused"]);
}

#[test]
fn exports_that_cannot_be_used_are_told_by_what_they_are() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let server = qemu_nbd(&sandbox, "--shared=4 --read-only -x production disk.img");
    let production = server.uri.replace("///", "///production");
    let listed = "it has no export \"\"; it has \"production\"";
    refused(&sandbox, &server.uri, &["cannot choose the export", listed]);
    let write = format!("{production} --write");
    refused(&sandbox, &write, &["its server offers it read-only", "hint: without --write"]);
    let twice = format!("{production} nbd:unix:server.sock:exportname=production");
    refused(&sandbox, &twice, &["are one export"]);
    refused(&sandbox, &format!("{production} {production}"), &["is given twice"]);
    refused(&sandbox, &format!("{production} --create 1M"), &["cannot be created from here"]);
    refused(&sandbox, &format!("{production} --direct"), &["hint: leave --direct out"]);
    refused(&sandbox, &format!("{production} --format qcow2"), &["hint: leave --format out"]);
    drop(server);

    sandbox.write("keys.psk", b"alice:0011223344556677\n");
    let server = nbdkit(&sandbox, "--tls=require --tls-psk=keys.psk memory 1M");
    refused(&sandbox, &server.uri, &["it demands TLS", "hint: nbds: in place of nbd:"]);
    drop(server);
    let server = nbdkit(&sandbox, "--oldstyle memory 1M");
    refused(&sandbox, &server.uri, &["speaks only the oldstyle handshake"]);
    drop(server);
    let server = nbdkit(&sandbox, "null 0");
    refused(&sandbox, &server.uri, &["the export is empty"]);
}

#[test]
fn a_replay_refuses_another_export_by_its_fingerprint() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 1, MIB);
    let server = qemu_nbd(&sandbox, "disk.img");
    let record = format!("record {} -o t.blkr -- nbdcopy {{uri}} out.img", server.uri);
    sandbox.blkreplay(&record).finish().succeeds();
    drop(server);
    let server = nbdkit(&sandbox, "memory 1M");
    let replay = format!("replay t.blkr {}", server.uri);
    sandbox.blkreplay(&replay).finish().ends_with(2).says(&["is not the image that was recorded"]);
    let replay = format!("{replay} --any-image");
    let diverged = sandbox.blkreplay(&replay).finish().ends_with(1);
    assert!(
        diverged.stdout.contains("diverged") || diverged.stderr.contains("diverged"),
        "{diverged}"
    );
}

#[test]
fn errors_of_the_server_reach_the_client_and_the_trace() {
    let sandbox = Sandbox::new();
    let errors = "error-pwrite=ENOSPC error-pwrite-rate=100% error-zero=EIO error-zero-rate=100%";
    let server = nbdkit(&sandbox, &format!("--filter=error memory 1M {errors}"));
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'read 0 4k' -c 'write 4k 4k' -c 'write -z 8k 4k' -c 'read 4k 4k' \
         \"$BLKREPLAY_URI\" >said 2>&1 || true",
    );
    let record = format!("record {} -o t.blkr --write -- {client}", server.uri);
    let finished = sandbox.blkreplay(&record).finish().succeeds();
    assert!(!finished.stderr.contains("lost"), "it answered: {finished}");
    let said = String::from_utf8(sandbox.read("said")).unwrap();
    assert!(
        said.contains("No space left on device") && said.contains("Input/output error"),
        "{said}"
    );
    let trace = Trace::whole(&sandbox, "t.blkr");
    let results = |op| trace.of(op).map(|row| row.result.as_deref().unwrap()).collect::<Vec<_>>();
    assert_eq!(results("write"), ["ENOSPC"]);
    assert!(results("write_zeroes").iter().all(|result| *result == "EIO"), "{said}");
    assert_eq!(results("read"), ["ok", "ok"]);
}

#[test]
fn a_server_that_is_killed_fails_what_is_with_it_and_the_recording_says_so() {
    let sandbox = Sandbox::new();
    let server = nbdkit(&sandbox, "--filter=delay memory 1M wdelay=100");
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'read 0 4k' \"$BLKREPLAY_URI\" >/dev/null
         qemu-io -f raw -c 'aio_write 0 4k' -c 'aio_write 8k 4k' -c aio_flush \"$BLKREPLAY_URI\" >said 2>&1 &
         while ! test -e killed; do sleep 0.01; done
         wait $! || true
         qemu-io -f raw -c 'read 0 4k' \"$BLKREPLAY_URI\" >later 2>&1 || true",
    );
    let record = format!("record {} -o t.blkr --write -- {client}", server.uri);
    let recording = sandbox.blkreplay(&record).start();
    let grown = || {
        let printed = sandbox.blkreplay("print --events t.blkr --json").finish();
        (printed.stdout.matches("\"op\":\"write\"").count() >= 2).then_some(())
    };
    wait_for("two writes that are with the server", grown);
    kill_process(server.pid(), Signal::KILL).unwrap();
    sandbox.write("killed", b"");
    let finished = recording.finish().succeeds();
    let lost = format!("lost {}: the server closed the connection", server.uri);
    assert!(finished.stderr.contains(&lost), "{finished}");
    assert!(finished.stderr.contains("2 requests were with it and failed with EIO"), "{finished}");
    let trace = Trace::whole(&sandbox, "t.blkr");
    let results = |op| trace.of(op).map(|row| row.result.as_deref().unwrap()).collect::<Vec<_>>();
    assert_eq!(results("write"), ["EIO", "EIO"]);
    assert_eq!(results("read"), ["ok", "ESHUTDOWN"]);
    assert!(String::from_utf8(sandbox.read("later")).unwrap().contains("ailed"));
}

#[test]
fn a_replay_on_a_server_that_goes_away_diverges_and_says_why() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", MIB);
    let record = "record disk.img -o t.blkr --write -- sh client.sh";
    sandbox.script("client.sh", "qemu-io -f raw -c 'write -P 1 0 64k' -c flush \"$BLKREPLAY_URI\"");
    sandbox.blkreplay(record).finish().succeeds();
    // It ends when it is asked to write.
    let plugin = "#!/bin/sh
        case $1 in
            get_size) echo 1M;;
            can_write | can_trim | can_zero | can_flush) exit 0;;
            pread) head -c $3 /dev/zero;;
            pwrite) kill -9 $PPID;;
            *) exit 2;;
        esac";
    sandbox.write("plugin.sh", plugin.as_bytes());
    fs::set_permissions(sandbox.path("plugin.sh"), Permissions::from_mode(0o755)).unwrap();
    let server = nbdkit(&sandbox, "sh plugin.sh");
    let replay = format!("replay t.blkr {} --write", server.uri);
    let diverged = sandbox.blkreplay(&replay).finish().ends_with(1);
    assert!(diverged.stderr.contains(&format!("lost {}", server.uri)), "{diverged}");
    assert!(format!("{diverged}").contains("EIO"), "{diverged}");
}
