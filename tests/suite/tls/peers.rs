//! Peers that are not meant to be let in, and servers that a client does not know.

use super::{Pki, Server};

/// Runs a client that must fail.
#[track_caller]
fn is_shut_out(server: &Server, uri: &str) {
    let client = server.sandbox.tool("nbdinfo").args(["--size", uri]).finish();
    assert_ne!(client.code(), Some(0), "{client}");
    assert_eq!(client.stdout, "", "nothing of the image is told");
}

#[test]
fn a_client_without_a_certificate_is_shut_out_where_one_is_asked_for() {
    let mut server = Server::strict();
    std::fs::create_dir(server.sandbox.path("anyone")).unwrap();
    server.sandbox.copy("pki/ca-cert.pem", "anyone/ca-cert.pem");
    is_shut_out(&server, &server.uri("anyone"));
    server.waits_to_say("warning: a client: TLS failed: peer sent no certificates");
    server.still_serves();
}

#[test]
fn a_client_of_another_authority_is_shut_out_whatever_that_calls_itself() {
    for (name, says) in [
        // Told whose certificates are wanted, it has none to show.
        ("another authority", "TLS failed: peer sent no certificates"),
        ("authority of pki", "TLS failed: invalid peer certificate: BadSignature"),
    ] {
        let mut server = Server::strict();
        Pki::named(&server.sandbox, "other", name);
        // It knows the server, but comes with what another authority signed.
        server.sandbox.copy("pki/ca-cert.pem", "other/ca-cert.pem");
        is_shut_out(&server, &server.uri("other"));
        server.waits_to_say(says);
        server.still_serves();
    }
}

#[test]
fn a_client_whose_certificate_has_expired_is_shut_out() {
    let mut server = Server::strict();
    std::fs::create_dir(server.sandbox.path("late")).unwrap();
    server.sandbox.copy("pki/ca-cert.pem", "late/ca-cert.pem");
    let mut params = Pki::server_between(2001, 2002);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    server.pki.sign(&server.sandbox, "late/client", &params);
    is_shut_out(&server, &server.uri("late"));
    server.waits_to_say("TLS failed: invalid peer certificate: certificate expired");
    server.still_serves();
}

#[test]
fn a_client_that_does_not_know_our_authority_goes_and_harms_nobody() {
    let mut server = Server::lenient();
    Pki::new(&server.sandbox, "other");
    is_shut_out(&server, &server.uri("other"));
    server.waits_to_say("TLS failed: the client went inside the handshake; it may not trust");
    server.still_serves();
}

#[test]
fn a_client_in_plain_is_told_that_tls_comes_first() {
    let server = Server::lenient();
    let uri = format!("nbd://localhost:{}/", server.port);
    is_shut_out(&server, &uri);
    let info = server.sandbox.tool("qemu-img").args(["info", &uri]).finish();
    assert_ne!(info.code(), Some(0), "{info}");
    assert!(info.stderr.contains("TLS"), "QEMU says why: {info}");
    let (_, finished) = server.still_serves();
    assert!(finished.stderr.contains(" 0 requests"), "{finished}");
}

#[test]
fn a_client_that_wants_tls_is_refused_where_there_is_none() {
    let sandbox = crate::support::Sandbox::new();
    Pki::new(&sandbox, "pki");
    sandbox.blank("disk.img", 1 << 20);
    let script = sandbox.script(
        "client.sh",
        "nbdinfo --size \"nbds+unix:///?socket=$BLKREPLAY_SOCKET&tls-certificates=$PWD/pki\"",
    );
    let recording = sandbox.blkreplay(&format!("record disk.img -o none -- {script}")).finish();
    assert_ne!(recording.code(), Some(0), "{recording}");
    assert_eq!(recording.stdout, "", "{recording}");
}
