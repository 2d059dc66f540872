//! Clients of others under TLS, at work on a disk that is recorded.

use super::{SIZE, Server, wait_for_no};
use crate::support::Sandbox;

#[test]
fn libnbd_copies_an_image_over_several_connections_and_the_replay_makes_the_same() {
    let server = Server::strict();
    let uri = server.uri("pki");
    let info = server.sandbox.tool("nbdinfo").args(["--json", &uri]).finish().succeeds();
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(info["TLS"], true, "{info}");
    assert_eq!(info["structured"], true, "{info}");
    server.sandbox.solid("in.img", 31, SIZE);
    let copy = ["--connections=4", "--requests=16", "--flush", "in.img", &uri];
    server.sandbox.tool("nbdcopy").args(copy).finish().succeeds();
    server.sandbox.tool("nbdcopy").args([&uri, "out.img"]).finish().succeeds();
    server.sandbox.assert_same("in.img", "out.img");
    wait_for_no(&server.recording, "tls client");
    let (sandbox, finished) = server.still_serves();
    assert!(!finished.stderr.contains("warning"), "{finished}");
    sandbox.assert_same("in.img", "disk.img");
    sandbox.blank("before.img", SIZE);
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    sandbox.assert_same("before.img", "disk.img");
}

#[test]
fn qemu_writes_an_image_and_compares_it() {
    let server = Server::strict();
    server.sandbox.solid("in.img", 32, SIZE);
    let credentials = format!(
        "tls-creds-x509,id=tls,endpoint=client,verify-peer=yes,dir={}",
        server.sandbox.path("pki").display()
    );
    let target = format!("driver=nbd,host=localhost,port={},tls-creds=tls", server.port);
    let convert = ["convert", "-n", "-f", "raw", "--object", &credentials, "--target-image-opts"];
    server.sandbox.tool("qemu-img").args(convert).args(["in.img", &target]).finish().succeeds();
    // Opened by the same options, and read by a second program of QEMU's.
    let read = ["--object", &credentials, "--image-opts", &target, "-c", "read -P 0 0 1M"];
    let read = server.sandbox.tool("qemu-io").args(read).finish();
    assert!(read.stdout.contains("Pattern verification failed"), "in.img has no zeroes: {read}");
    let (sandbox, _) = server.still_serves();
    sandbox.assert_same("in.img", "disk.img");
}

#[test]
fn a_client_needs_no_certificate_where_none_is_asked_for() {
    let server = Server::lenient();
    std::fs::create_dir(server.sandbox.path("anyone")).unwrap();
    server.sandbox.copy("pki/ca-cert.pem", "anyone/ca-cert.pem");
    let uri = server.uri("anyone");
    server.sandbox.tool("nbdinfo").args(["--size", &uri]).finish().succeeds();
    server.still_serves();
}

#[test]
fn a_command_finds_a_unix_socket_under_tls_too() {
    let sandbox = Sandbox::new();
    super::Pki::new(&sandbox, "pki");
    sandbox.blank("disk.img", SIZE);
    let script = sandbox.script(
        "client.sh",
        "case $BLKREPLAY_URI in nbds+unix:*) ;; *) exit 9;; esac
         nbdinfo --json \"$BLKREPLAY_URI&tls-certificates=$PWD/pki\" >info.json",
    );
    sandbox
        .blkreplay(&format!(
            "record disk.img -o t.blkr --tls-cert pki/server-cert.pem --tls-key pki/server-key.pem \
             --tls-ca pki/ca-cert.pem -- {script}"
        ))
        .finish()
        .succeeds();
    let info: serde_json::Value = serde_json::from_slice(&sandbox.read("info.json")).unwrap();
    assert_eq!((&info["TLS"], &info["exports"][0]["export-size"]), (&true.into(), &SIZE.into()));
}
