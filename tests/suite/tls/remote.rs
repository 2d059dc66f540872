//! Who may come from other machines: nobody in plain unless that was said, anybody with a certificate.

use rustix::process::Signal;

use super::Pki;
use crate::support::Sandbox;

const ELSEWHERE: &str = "record disk.img -o none --listen tcp:0.0.0.0:0";

const TLS: &str = "--tls-cert pki/server-cert.pem --tls-key pki/server-key.pem";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    Pki::new(&sandbox, "pki");
    sandbox
}

/// What is said by the time that it serves.
fn said(sandbox: &Sandbox, options: &str) -> String {
    let mut recording = sandbox.blkreplay(&format!("{ELSEWHERE} {options}")).start();
    recording.wait_for_stderr("serving");
    recording.signal(Signal::TERM);
    recording.finish().succeeds().stderr
}

#[test]
fn in_plain_other_machines_are_let_in_only_on_demand_and_tls_is_offered_instead() {
    let sandbox = sandbox();
    let refused = sandbox.blkreplay(&format!("{ELSEWHERE} -- touch ran")).finish().ends_with(2);
    refused.says(&[
        "refused to listen on tcp:0.0.0.0:0 in plain",
        "--tls-cert",
        "--allow-plaintext",
    ]);
    assert!(!sandbox.path("ran").exists());
    let said = said(&sandbox, "--allow-plaintext");
    assert!(said.contains("warning: other machines can reach the image"), "{said}");
}

#[test]
fn under_tls_other_machines_are_let_in_and_who_could_be_anybody_is_warned_of() {
    let sandbox = sandbox();
    let anybody = said(&sandbox, TLS);
    assert!(anybody.contains("whoever they are") && anybody.contains("--tls-ca"), "{anybody}");
    let known = said(&sandbox, &format!("{TLS} --tls-ca pki/ca-cert.pem"));
    assert!(!known.contains("warning"), "{known}");
    assert!(known.contains("serving  nbds://127.0.0.1:"), "{known}");
}
