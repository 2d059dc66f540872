//! Images that are exports of other servers under TLS: qemu-nbd, nbdkit, and ourselves.

use std::fs;

use rustix::process::{Signal, kill_process};

use super::{Pki, Server};
use crate::remote::{Served, nbdkit, qemu_nbd};
use crate::support::{Finished, Sandbox, wait_for};
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

/// nbdkit, which wants certificates of its clients.
const STRICT: &str = "--tls=require --tls-certificates=pki --tls-verify-peer";

/// An image with something on it, and certificates.
fn sandbox() -> (Sandbox, Pki) {
    let sandbox = Sandbox::new();
    let pki = Pki::new(&sandbox, "pki");
    sandbox.solid("disk.img", 3, 4 * MIB);
    (sandbox, pki)
}

/// A directory with the named files of `pki`.
fn some_of(sandbox: &Sandbox, directory: &str, names: &[&str]) {
    fs::create_dir(sandbox.path(directory)).unwrap();
    for name in names {
        sandbox.copy(&format!("pki/{name}.pem"), &format!("{directory}/{name}.pem"));
    }
}

/// The same server as `served`, under TLS.
fn secure(served: &Served, more: &str) -> String {
    format!("{}&{more}", served.uri.replace("nbd+unix:", "nbds+unix:"))
}

/// Records what reads the first 64 KiB of `image`.
#[track_caller]
fn is_read(sandbox: &Sandbox, image: &str) {
    let client = ["--", "qemu-io", "-r", "-f", "raw", "-c", "read -q 0 64k", "{uri}"];
    sandbox.blkreplay("record -o t.blkr --force").args([image]).args(client).finish().succeeds();
    assert_eq!(Trace::whole(sandbox, "t.blkr").bytes("read"), 64 << 10);
}

/// Asserts that `image` is refused for these reasons, before COMMAND is run.
#[track_caller]
fn refused(sandbox: &Sandbox, image: &str, reasons: &[&str]) -> Finished {
    let record = sandbox.blkreplay("record -o t.blkr").args([image, "--", "touch", "ran"]);
    let refused = record.finish().ends_with(2).says(&["error: "]).says(reasons);
    assert!(!sandbox.path("ran").exists() && !sandbox.path("t.blkr").exists(), "{refused}");
    refused
}

#[test]
fn an_export_of_qemu_under_tls_is_recorded_with_four_connections_and_replayed_onto_another() {
    let (sandbox, _) = sandbox();
    sandbox.solid("source.img", 5, 16 * MIB);
    let tls =
        "--object tls-creds-x509,id=tls,endpoint=server,dir=pki,verify-peer=on --tls-creds tls";
    let start = |image: &str| {
        sandbox.blank(image, 16 * MIB);
        qemu_nbd(&sandbox, &format!("{tls} --shared=8 {image}"))
    };
    let server = start("to.img");
    let uri = secure(&server, "tls-certificates=pki");
    sandbox
        .blkreplay("record -o t.blkr --write")
        .args([&uri, "--", "nbdcopy", "--connections=4", "--flush", "source.img", "{uri}"])
        .finish()
        .succeeds();
    drop(server);
    sandbox.assert_same("to.img", "source.img");
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(trace.bytes("write"), 16 * MIB);
    assert!(trace.rows.iter().any(|row| row.conn > 0), "each connection has one of its own");

    let server = start("again.img");
    let replay = sandbox.blkreplay("replay t.blkr --write").args([&uri]);
    replay.finish().succeeds();
    drop(server);
    sandbox.assert_same("again.img", "source.img");
}

#[test]
fn an_export_of_ours_under_tls_is_recorded_over_tcp_and_both_traces_say_the_same() {
    let server = Server::strict();
    let uri = server.uri("pki");
    let client = ["--", "qemu-io", "-f", "raw", "-c", "read 1M 64k", "-c", "write 2M 4k", "{uri}"];
    let record = server.sandbox.blkreplay("record -o outer.blkr --write --fingerprint none");
    record.args([&uri]).args(client).finish().succeeds();
    let (sandbox, _) = server.still_serves();
    let asked = |name: &str| {
        let trace = Trace::whole(&sandbox, name);
        let changed = ["read", "write"];
        let rows = trace.rows.iter().filter(|row| changed.contains(&row.op.as_str()));
        rows.map(|row| (row.op.clone(), row.off, row.len)).collect::<Vec<_>>()
    };
    assert_eq!(asked("outer.blkr").len(), 2);
    assert_eq!(asked("outer.blkr"), asked("t.blkr"));
}

#[test]
fn a_server_is_trusted_by_the_authorities_of_the_system_where_none_are_named() {
    let (sandbox, _) = sandbox();
    let server = nbdkit(&sandbox, "--tls=require --tls-certificates=pki file disk.img");
    let uri = secure(&server, "tls-hostname=localhost");
    fs::create_dir(sandbox.path("empty")).unwrap();
    let ran = |authorities: &str| {
        sandbox
            .blkreplay("record -o t.blkr")
            .args([&uri, "--", "touch", "ran"])
            .env("SSL_CERT_FILE", sandbox.path(authorities))
            .env("SSL_CERT_DIR", sandbox.path("empty"))
            .finish()
    };
    Pki::new(&sandbox, "other");
    ran("other/ca-cert.pem").ends_with(2).says(&[
        "TLS with the server failed",
        "UnknownIssuer",
        "hint: tls-certificates=DIR",
    ]);
    sandbox.write("empty.pem", b"");
    ran("empty.pem").ends_with(2).says(&["knows no authority", "hint: tls-certificates=DIR"]);
    assert!(!sandbox.path("ran").exists());
    ran("pki/ca-cert.pem").succeeds();
}

#[test]
fn a_server_that_wants_to_know_us_is_shown_our_certificate() {
    let (sandbox, pki) = sandbox();
    some_of(&sandbox, "anyone", &["ca-cert"]);
    let server = nbdkit(&sandbox, &format!("{STRICT} file disk.img"));
    is_read(&sandbox, &secure(&server, "tls-certificates=pki"));
    fs::remove_file(sandbox.path("t.blkr")).unwrap();
    let anyone = secure(&server, "tls-certificates=anyone");
    refused(
        &sandbox,
        &anyone,
        &["the server hung up", "hint: the server may want to know who we are"],
    );

    some_of(&sandbox, "half", &["ca-cert", "client-cert"]);
    let half = secure(&server, "tls-certificates=half");
    refused(&sandbox, &half, &["cannot read half/client-key.pem"]);
    some_of(&sandbox, "late", &["ca-cert"]);
    let mut params = Pki::server_between(2001, 2002);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    pki.sign(&sandbox, "late/client", &params);
    let late = secure(&server, "tls-certificates=late");
    refused(&sandbox, &late, &["late/client-cert.pem has expired", "servers would refuse it"]);
    drop(server);
    // QEMU says why it does not let us in.
    let tls =
        "--object tls-creds-x509,id=tls,endpoint=server,dir=pki,verify-peer=on --tls-creds tls";
    let server = qemu_nbd(&sandbox, &format!("{tls} disk.img"));
    refused(&sandbox, &secure(&server, "tls-certificates=anyone"), &["hint: the server"]);
    // Nobody was harmed by those.
    is_read(&sandbox, &secure(&server, "tls-certificates=pki"));
}

#[test]
fn a_server_that_is_not_the_one_that_was_meant_is_refused() {
    let (sandbox, _) = sandbox();
    Pki::new(&sandbox, "other");
    let server = nbdkit(&sandbox, "--tls=require --tls-certificates=pki file disk.img");
    let other = secure(&server, "tls-certificates=other");
    refused(&sandbox, &other, &["TLS with the server failed", "hint: tls-certificates=DIR"]);
    let elsewhere = secure(&server, "tls-certificates=pki&tls-hostname=elsewhere.example");
    refused(
        &sandbox,
        &elsewhere,
        &["not valid for name \"elsewhere.example\"", "hint: tls-hostname=NAME"],
    );
    is_read(&sandbox, &secure(&server, "tls-certificates=pki&tls-hostname=localhost"));
}

#[test]
fn plain_and_tls_do_not_mix() {
    let (sandbox, _) = sandbox();
    let server = nbdkit(&sandbox, "--tls=require --tls-certificates=pki file disk.img");
    refused(&sandbox, &server.uri, &["it demands TLS", "hint: nbds: in place of nbd: speaks TLS"]);
    let certificates = format!("{}&tls-certificates=pki", server.uri);
    refused(&sandbox, &certificates, &["is for nbds:", "hint: nbd: is spoken in plain"]);
    drop(server);
    let server = nbdkit(&sandbox, "--tls=off file disk.img");
    let plain = secure(&server, "tls-certificates=pki");
    refused(&sandbox, &plain, &["it does not talk TLS", "hint: nbd: in place of nbds:"]);
}

#[test]
fn files_that_are_missing_are_told_of_before_the_server_is_asked() {
    let (sandbox, _) = sandbox();
    let nowhere = |directory: &str| {
        format!("nbds+unix:///?socket={}&tls-certificates={directory}", "no-such.sock")
    };
    let hint = "hint: tls-certificates names a directory with ca-cert.pem";
    refused(&sandbox, &nowhere("none"), &["cannot read none/ca-cert.pem: No such file", hint]);
    fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.write("empty/ca-cert.pem", b"");
    refused(&sandbox, &nowhere("empty"), &["there is no certificate in empty/ca-cert.pem"]);
    refused(&sandbox, &nowhere("pki"), &["cannot connect to the server: No such file"]);
}

#[test]
fn a_server_under_tls_that_is_killed_fails_what_is_with_it_and_the_recording_says_so() {
    let (sandbox, _) = sandbox();
    let server = nbdkit(&sandbox, &format!("{STRICT} --filter=delay file disk.img wdelay=100"));
    let uri = secure(&server, "tls-certificates=pki");
    let client = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'aio_write 0 4k' -c aio_flush \"$BLKREPLAY_URI\" >said 2>&1 || true",
    );
    let recording =
        sandbox.blkreplay(&format!("record {uri} -o t.blkr --write -- {client}")).start();
    wait_for("a write that is with the server", || {
        let printed = sandbox.blkreplay("print --events t.blkr --json").finish();
        printed.stdout.contains("\"op\":\"write\"").then_some(())
    });
    kill_process(server.pid(), Signal::KILL).unwrap();
    let finished = recording.finish().succeeds();
    assert!(finished.stderr.contains("lost nbds+unix:"), "{finished}");
    assert!(finished.stderr.contains("1 request was with it and failed with EIO"), "{finished}");
    let trace = Trace::whole(&sandbox, "t.blkr");
    let results: Vec<_> = trace.of("write").map(|row| row.result.as_deref().unwrap()).collect();
    assert_eq!(results, ["EIO"]);
}
