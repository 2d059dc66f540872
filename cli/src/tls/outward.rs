//! TLS towards another server: what an address says of it comes in, somebody who shakes hands with that server goes out.
//!
//! The files are those of libnbd and QEMU: `ca-cert.pem`, and for servers that want to know us `client-cert.pem` and
//! `client-key.pem`, all in one directory. Invariant: a server is talked to only if an authority that we were told of, or
//! that this system knows, has signed its certificate.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use blkreplay_core::nbd::{AddressTls, Secure, Tunnel};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
};

use super::trust::AnyName;
use super::{carrier, files, handshake};
use crate::failure::Failure;

/// A client's side of TLS, for one server.
#[derive(Debug)]
pub(crate) struct TlsOutward {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsOutward {
    /// Reads the files that the address names, or says which of them is not good enough, and why.
    pub(crate) fn open(tls: &AddressTls) -> Result<TlsOutward, Failure> {
        let directory = tls.certificates.as_deref();
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(directory.map_or_else(of_this_system, authority_in)?);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier =
            verifier.build().map_err(|error| Failure::because("cannot set up TLS", error))?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::because("cannot set up TLS", error))?;
        let config = if tls.host.is_some() {
            config.with_webpki_verifier(verifier)
        } else {
            let any_name = Arc::new(AnyName::new(roots, Arc::clone(&provider), verifier));
            config.dangerous().with_custom_certificate_verifier(any_name)
        };
        let (certificate, key) = match directory {
            Some(directory) => {
                (directory.join("client-cert.pem"), directory.join("client-key.pem"))
            }
            None => Default::default(),
        };
        let mut config = if certificate.exists() || key.exists() {
            let (chain, secret) = files::pair(&certificate, &key, files::Whose::Client, &provider)?;
            config
                .with_client_auth_cert(chain, secret)
                .map_err(|error| files::unfit_pair(&certificate, &key, error))?
        } else {
            config.with_no_client_auth()
        };
        // Each connection is looked at anew: nothing of it is kept for a later one.
        config.resumption = Resumption::disabled();
        // Without a name none is told either; something has to stand for it.
        config.enable_sni = tls.host.is_some();
        let host = tls.host.clone().unwrap_or_else(|| "localhost".to_owned());
        let name = ServerName::try_from(host.clone()).map_err(|error| {
            Failure::because(format!("no certificate can be for `{host}`"), error)
        })?;
        Ok(TlsOutward { config: Arc::new(config), name })
    }
}

impl Secure for TlsOutward {
    fn secure(&self, socket: OwnedFd, limits: &[BorrowedFd<'_>]) -> io::Result<Tunnel> {
        let tls = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut tls = tls.map_err(io::Error::other)?.into();
        handshake::shake_hands(&mut tls, &socket, limits)?;
        carrier::start(tls, socket, "tls server")
    }
}

fn authority_in(directory: &Path) -> Result<RootCertStore, Failure> {
    let path = directory.join("ca-cert.pem");
    files::authorities(&path).map_err(|failure| {
        let what = "tls-certificates names a directory with ca-cert.pem, the certificate of the authority that signed the server's";
        if path.exists() { failure } else { failure.hint(what) }
    })
}

/// The authorities that this system trusts.
fn of_this_system() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let what = "this system knows no authority that could have signed a server's certificate";
    let failure = match found.errors.into_iter().next() {
        Some(error) => Failure::because(what, error),
        None => Failure::new(what),
    };
    Err(failure.hint("tls-certificates=DIR in the address names a directory with ca-cert.pem"))
}

/// What to do about a handshake that failed; a whole sentence without a full stop.
pub(crate) fn what_to_do(error: &io::Error) -> Option<&'static str> {
    let rustls = error.get_ref()?.downcast_ref::<Error>()?;
    match rustls {
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => Some(
            "tls-certificates=DIR in the address names a directory whose ca-cert.pem has signed the certificate of the server",
        ),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("tls-hostname=NAME in the address says for which name the certificate is"),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Some(
            "the server wants to know who we are: client-cert.pem and client-key.pem in the directory of tls-certificates say that",
        ),
        _ => None,
    }
}
