//! Where clients find a recording, and how they are let in: options come in, a [`Front`] that listens goes out.
//!
//! Addresses are the business of `socket`, certificates that of `tls`. Invariant: what cannot be had is refused before the
//! first image is opened.

use std::path::PathBuf;
use std::sync::Arc;

use blkreplay_core::nbd::{Listener, Secure};

use crate::activation;
use crate::failure::Failure;
use crate::pid_file::PidFile;
use crate::printer::Printer;
use crate::socket::{Endpoint, ListenAddress, Reach};
#[cfg(feature = "tls")]
use crate::tls::{Tls, TlsFiles};

/// Where clients find us.
#[derive(Debug, clap::Args)]
pub(crate) struct FrontArgs {
    /// Where clients find us; a private socket unless given, stdio is one client on standard input and output
    #[arg(long, value_name = "unix:PATH|tcp:ADDR:PORT|stdio")]
    listen: Option<ListenAddress>,

    /// Let --listen tcp:… listen to other machines without TLS
    #[arg(long)]
    allow_plaintext: bool,

    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: TlsArgs,

    /// Write our process number to FILE once clients can connect; it is removed at the end
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

/// TLS.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, clap::Args)]
struct TlsArgs {
    /// Let in clients under TLS only; PEM, our certificate first, then those that lead to one clients know
    #[arg(id = "tls_cert", long = "tls-cert", value_name = "FILE", requires = "tls_key")]
    certificate: Option<PathBuf>,

    /// The private key of --tls-cert, PEM
    #[arg(id = "tls_key", long = "tls-key", value_name = "FILE", requires = "tls_cert")]
    key: Option<PathBuf>,

    /// Let in clients with a certificate of one of these authorities only, PEM
    #[arg(id = "tls_ca", long = "tls-ca", value_name = "FILE", requires = "tls_cert")]
    authority: Option<PathBuf>,
}

/// A place that listens, or has its client.
pub(crate) struct Front {
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// Who comes.
    pub(crate) listener: Listener,
    /// How they are let in, unless in plain.
    pub(crate) secure: Option<Arc<dyn Secure>>,
    /// What tells that they can come.
    pub(crate) pid_file: Option<PidFile>,
}

/// What was found before there were other threads.
pub(crate) struct Found {
    handed: Option<Listener>,
    secure: Option<Arc<dyn Secure>>,
}

impl FrontArgs {
    /// Whether the client is on standard input and output.
    pub(crate) fn is_stdio(&self) -> bool {
        self.listen == Some(ListenAddress::Stdio)
    }

    /// Reads what must be read before anything listens: a socket of the environment, certificates.
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        let handed = activation::take()?;
        if let (Some(_), Some(listen)) = (&handed, &self.listen) {
            return Err(Failure::new(format!(
                "--listen {listen}, and a socket was handed over (LISTEN_FDS): there can be one place only"
            ))
            .hint("leave out --listen, or start blkreplay without socket activation"));
        }
        Ok(Found { handed, secure: self.secure()? })
    }

    /// Listens.
    pub(crate) fn listen(&self, found: Found) -> Result<Front, Failure> {
        let Found { handed, secure } = found;
        let reach = match &secure {
            Some(_) => Reach::Secret,
            None if self.allow_plaintext => Reach::Plaintext,
            None => Reach::Loopback,
        };
        let pid_file = self.pid_file.as_deref().map(PidFile::prepare).transpose()?;
        let (endpoint, listener) = match handed {
            Some(listener) => (Endpoint::handed(&listener, reach)?, listener),
            None => Endpoint::listen(self.listen.as_ref(), reach)?,
        };
        Ok(Front { endpoint, listener, secure, pid_file })
    }

    /// Says who can come that may not be meant to.
    pub(crate) fn warn(&self, front: &Front, printer: &Printer) {
        if !front.endpoint.is_remote() {
            return;
        }
        if front.secure.is_none() {
            printer.warn(
                "other machines can reach the image: NBD has no passwords, and this is no TLS",
            );
        } else if !self.knows_clients() {
            printer.warn("other machines can reach the image, whoever they are");
            printer.hint("--tls-ca FILE lets in who has a certificate of that authority");
        }
    }
}

#[cfg(feature = "tls")]
impl FrontArgs {
    fn secure(&self) -> Result<Option<Arc<dyn Secure>>, Failure> {
        let TlsArgs { certificate, key, authority } = self.tls.clone();
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
        Ok(Some(Arc::new(Tls::open(&TlsFiles { certificate, key, authority })?)))
    }

    fn knows_clients(&self) -> bool {
        self.tls.authority.is_some()
    }
}

#[cfg(not(feature = "tls"))]
impl FrontArgs {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as where there is TLS")]
    fn secure(&self) -> Result<Option<Arc<dyn Secure>>, Failure> {
        Ok(None)
    }

    #[expect(clippy::unused_self, reason = "as where there is TLS")]
    fn knows_clients(&self) -> bool {
        false
    }
}
