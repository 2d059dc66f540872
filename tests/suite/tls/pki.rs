//! An authority, a server and a client, as PEM files with the names that libnbd and QEMU look for.
//!
//! Invariant: made anew each time; nothing depends on an authority that anybody else trusts.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::support::Sandbox;

/// An authority, which can sign more.
pub(super) struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    /// Writes `ca-cert.pem`, `server-cert.pem`, `server-key.pem`, `client-cert.pem` and `client-key.pem` into a new directory.
    pub(super) fn new(sandbox: &Sandbox, directory: &str) -> Pki {
        Pki::named(sandbox, directory, &format!("authority of {directory}"))
    }

    /// The same, of an authority that calls itself so.
    pub(super) fn named(sandbox: &Sandbox, directory: &str, name: &str) -> Pki {
        fs::create_dir(sandbox.path(directory)).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pki = Pki { authority: CertifiedIssuer::self_signed(params, key).unwrap() };
        sandbox.write(&format!("{directory}/ca-cert.pem"), pki.authority.pem().as_bytes());
        pki.sign(sandbox, &format!("{directory}/server"), &Self::server());
        let mut client = Self::server();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        pki.sign(sandbox, &format!("{directory}/client"), &client);
        pki
    }

    /// What a server's certificate says.
    pub(super) fn server() -> CertificateParams {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "somebody in a test");
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    }

    /// The same from one year to another.
    pub(super) fn server_between(first: i32, last: i32) -> CertificateParams {
        let mut params = Self::server();
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        params
    }

    /// Writes a certificate of the authority and its key, as `NAME-cert.pem` and `NAME-key.pem`.
    pub(super) fn sign(&self, sandbox: &Sandbox, name: &str, params: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        sandbox.write(&format!("{name}-cert.pem"), certificate.pem().as_bytes());
        sandbox.write(&format!("{name}-key.pem"), key.serialize_pem().as_bytes());
    }
}
