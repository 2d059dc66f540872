//! Certificates and keys in PEM files: files in, what rustls needs of them out, or what is wrong with which file.
//!
//! Invariant: of a file no more than [`FILE_BYTES_MAX`] bytes are read, whatever it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};

use super::TlsFiles;
use crate::failure::Failure;
use crate::words::shell_word;

/// No chain of certificates is as long as this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What makes a server of these files.
pub(super) fn server_config(files: &TlsFiles) -> Result<ServerConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let (chain, key) = pair(&files.certificate, &files.key, Whose::Server, &provider)?;
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::because("cannot set up TLS", error))?;
    let config = match &files.authority {
        None => config.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            config.with_client_cert_verifier(verifier.map_err(|error| unfit(path, error))?)
        }
    };
    config
        .with_single_cert(chain, key)
        .map_err(|error| unfit_pair(&files.certificate, &files.key, error))
}

/// On which side a certificate proves who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Server,
    Client,
}

/// A certificate, with those that lead from it to an authority, and its key.
pub(super) fn pair(
    certificate: &Path,
    key: &Path,
    whose: Whose,
    provider: &CryptoProvider,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let chain = certificates(certificate)?;
    let secret = secret(key)?;
    check_validity(&chain, certificate, whose, provider)?;
    Ok((chain, secret))
}

/// Why rustls does not take the two.
pub(super) fn unfit_pair(certificate: &Path, key: &Path, error: Error) -> Failure {
    match error {
        Error::InconsistentKeys(_) => Failure::new(format!(
            "the key {} does not belong to the certificate {}",
            key.display(),
            certificate.display()
        ))
        .hint(format!(
            "openssl x509 -noout -pubkey -in {}  and  openssl pkey -pubout -in {}  print the same if it does",
            shell_word(certificate),
            shell_word(key)
        )),
        Error::InvalidCertificate(_) => unfit(certificate, error),
        _ => unfit(key, error),
    }
}

/// The other side refuses a certificate before or after its time; better to hear of it here.
fn check_validity(
    chain: &[CertificateDer<'static>],
    path: &Path,
    whose: Whose,
    provider: &CryptoProvider,
) -> Result<(), Failure> {
    let Some((own, between)) = chain.split_first() else { return Ok(()) };
    let parsed = ParsedCertificate::try_from(own).map_err(|error| unfit(path, error))?;
    // Nobody is trusted here, so it never succeeds; but its time is looked at first.
    let verified = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &RootCertStore::empty(),
        between,
        UnixTime::now(),
        provider.signature_verification_algorithms.all,
    );
    let (what, time) = match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            ("has expired", not_after)
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
            not_before, ..
        })) => ("is not valid yet", not_before),
        _ => return Ok(()),
    };
    let bound = i64::try_from(time.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok());
    let bound = bound.map_or_else(String::new, |at| format!(": {at}"));
    let others = if whose == Whose::Server { "clients" } else { "servers" };
    Err(Failure::new(format!("the certificate {} {what}{bound}", path.display()))
        .hint(format!("{others} would refuse it; a new one is needed, or a clock that is right")))
}

/// Those whose signatures on certificates of the other side count.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unfit(path, error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(Failure::new(format!("there is no certificate in {}", path.display()))
                .hint("it must be PEM, with a line -----BEGIN CERTIFICATE-----"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(broken(path, &error)),
    }
}

fn secret(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if !matches!(error, pem::Error::NoItemsFound) {
            return broken(path, &error);
        }
        let failure = Failure::new(format!("there is no private key in {}", path.display()));
        let word = shell_word(path);
        if text.windows(9).any(|word| word == b"ENCRYPTED") {
            failure.hint(format!(
                "it is behind a passphrase: openssl pkey -in {word} -out KEY  writes it without"
            ))
        } else {
            failure.hint("it must be PEM, with a line -----BEGIN PRIVATE KEY-----")
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error| Failure::because(format!("cannot read {}", path.display()), error);
    let file = File::open(path).map_err(cannot)?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let what = format!("it has more than {FILE_BYTES_MAX} bytes: no certificate, no key");
        return Err(cannot(io::Error::new(io::ErrorKind::InvalidData, what)));
    }
    Ok(text)
}

fn broken(path: &Path, error: &pem::Error) -> Failure {
    let why = match error {
        pem::Error::MissingSectionEnd { .. } => "its PEM breaks off: a section has no END line",
        pem::Error::IllegalSectionStart { .. } => "its PEM is broken: a BEGIN line has no end",
        _ => "its PEM is broken: what is between BEGIN and END is no base64",
    };
    Failure::new(format!("{} cannot be used for TLS: {why}", path.display()))
}

fn unfit(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::because(format!("{} cannot be used for TLS", path.display()), error)
}
