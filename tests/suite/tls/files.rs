//! Files that TLS cannot be had with: each is told of before anything is served.

use super::Pki;
use crate::support::{Finished, Sandbox};

/// A sandbox with an image and certificates.
fn sandbox() -> (Sandbox, Pki) {
    let sandbox = Sandbox::new();
    let pki = Pki::new(&sandbox, "pki");
    sandbox.blank("disk.img", 1 << 20);
    (sandbox, pki)
}

/// Records with these files, and must not get to running COMMAND.
#[track_caller]
fn refuses(sandbox: &Sandbox, options: &str, says: &[&str]) -> Finished {
    let line = format!("record disk.img -o t.blkr {options} -- touch ran");
    let finished = sandbox.blkreplay(&line).finish().ends_with(2).says(says);
    assert!(!sandbox.path("ran").exists() && !sandbox.path("t.blkr").exists(), "{finished}");
    finished
}

#[test]
fn a_certificate_without_its_key_or_a_key_without_its_certificate_is_no_use() {
    let (sandbox, _) = sandbox();
    refuses(&sandbox, "--tls-cert pki/server-cert.pem", &["--tls-key"]);
    refuses(&sandbox, "--tls-key pki/server-key.pem", &["--tls-cert"]);
    refuses(&sandbox, "--tls-ca pki/ca-cert.pem", &["--tls-cert"]);
}

#[test]
fn files_that_are_not_what_they_should_be_are_told_of_by_name() {
    let (sandbox, _) = sandbox();
    let key = String::from_utf8(sandbox.read("pki/server-key.pem")).unwrap();
    sandbox.write("locked.pem", key.replace("PRIVATE", "ENCRYPTED PRIVATE").as_bytes());
    sandbox.write("empty.pem", b"");
    let cert = sandbox.read("pki/server-cert.pem");
    sandbox.write("half.pem", &cert[..cert.len() / 2]);
    let (cert, key) = ("pki/server-cert.pem", "pki/server-key.pem");
    for (one, other, says) in [
        ("none.pem", key, ["cannot read none.pem", "No such file"]),
        (cert, "none.pem", ["cannot read none.pem", "No such file"]),
        (".", key, ["cannot read .", "directory"]),
        ("/dev/zero", key, ["cannot read /dev/zero", "more than 1048576 bytes"]),
        ("empty.pem", key, ["there is no certificate in empty.pem", "hint: it must be PEM"]),
        (cert, "empty.pem", ["there is no private key in empty.pem", "hint: it must be PEM"]),
        (key, cert, ["there is no certificate in pki/server-key.pem", "hint"]),
        (cert, "locked.pem", ["passphrase", "openssl pkey -in locked.pem"]),
        ("half.pem", key, ["half.pem cannot be used for TLS", "breaks off"]),
        (cert, "pki/client-key.pem", ["does not belong to the certificate", "openssl x509"]),
    ] {
        refuses(&sandbox, &format!("--tls-cert {one} --tls-key {other}"), &says);
    }
}

#[test]
fn an_authority_that_is_none_is_told_of_by_name() {
    let (sandbox, _) = sandbox();
    let server = "--tls-cert pki/server-cert.pem --tls-key pki/server-key.pem --tls-ca";
    for (authority, says) in [
        ("none.pem", "cannot read none.pem"),
        ("pki/client-key.pem", "there is no certificate in pki/client-key.pem"),
    ] {
        refuses(&sandbox, &format!("{server} {authority}"), &[says]);
    }
}

#[test]
fn a_certificate_before_or_after_its_time_is_refused_with_that_time() {
    let (sandbox, pki) = sandbox();
    pki.sign(&sandbox, "old", &Pki::server_between(2001, 2002));
    pki.sign(&sandbox, "new", &Pki::server_between(3001, 3002));
    for (name, says) in [
        ("old", "the certificate old-cert.pem has expired: 2002-01-01"),
        ("new", "the certificate new-cert.pem is not valid yet: 3001-01-01"),
    ] {
        let options = format!("--tls-cert {name}-cert.pem --tls-key {name}-key.pem");
        refuses(&sandbox, &options, &[says, "hint"]);
    }
}
