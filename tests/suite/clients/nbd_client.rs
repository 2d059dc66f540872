//! `nbd-client`, the kernel's own client, as far as it goes without a kernel that knows NBD: it lists exports.

use rustix::process::Signal;

use crate::support::{Running, Sandbox};

/// A recording of two images on a port, with `options`, and the port.
fn recording(sandbox: &Sandbox, options: &str) -> (Running, String) {
    sandbox.blank("one.img", 1 << 20);
    sandbox.blank("two.img", 2 << 20);
    let record = format!("record one.img two.img -o t.blkr --listen tcp:localhost:0 {options}");
    let mut recording = sandbox.blkreplay(&record).start();
    // The line is whole when its end is there.
    recording.wait_for_stderr("image two.img\n");
    let said = recording.stderr();
    let (_, behind) = said.split_once("://127.0.0.1:").expect("it says where it is");
    (recording, behind.split('/').next().unwrap().to_owned())
}

/// Lists, and asserts what is told: each export by its own name, with its description.
#[track_caller]
fn lists(sandbox: &Sandbox, port: &str, options: &[&str]) {
    let list = ["-l", "localhost", port];
    let listed = sandbox.tool("nbd-client").args(list).args(options).finish().succeeds();
    let lines: Vec<&str> = listed.stdout.lines().skip(1).collect();
    assert_eq!(lines, [": one", "1: two"], "{listed}");
}

#[track_caller]
fn ends(sandbox: &Sandbox, mut recording: Running) {
    recording.signal(Signal::TERM);
    let ended = recording.finish().succeeds();
    assert!(!ended.stderr.contains("warning"), "it went in order: {ended}");
    sandbox.blkreplay("check t.blkr").finish().succeeds();
}

#[test]
fn the_clients_of_the_kernel_are_told_of_every_export() {
    let sandbox = Sandbox::new();
    let (recording, port) = recording(&sandbox, "");
    lists(&sandbox, &port, &[]);
    ends(&sandbox, recording);
}

#[cfg(feature = "tls")]
#[test]
fn the_clients_of_the_kernel_are_told_of_every_export_under_tls_too() {
    let sandbox = Sandbox::new();
    crate::tls::pki(&sandbox);
    let server =
        "--tls-cert pki/server-cert.pem --tls-key pki/server-key.pem --tls-ca pki/ca-cert.pem";
    let (recording, port) = recording(&sandbox, server);
    let client = [
        "-enable-tls",
        "-cacertfile",
        "pki/ca-cert.pem",
        "-certfile",
        "pki/client-cert.pem",
        "-keyfile",
        "pki/client-key.pem",
        "-tlshostname",
        "localhost",
    ];
    lists(&sandbox, &port, &client);
    ends(&sandbox, recording);
}
