//! An export of another server where an image is meant: a path as typed comes in, the export goes out, or a refusal with
//! what to do.
//!
//! What begins as an address is one: a file of such a name is `./nbd:…`. Invariant: nothing is asked of the server but to
//! let us in, and that not before all that can be known without it is: what only a file can do, and what TLS needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blkreplay_core::device::{ImageFormat, OpenOptions, Transfer};
use blkreplay_core::nbd::{
    Address, AddressError, AddressTls, Loss, NegotiationError, Patience, Remote, RemoteError,
    Secure,
};

use crate::failure::{self, Failure};
#[cfg(feature = "tls")]
use crate::tls::{TlsOutward, what_to_do};
use crate::words::{counted, shell_word};

/// Some servers hang up on a client that they do not know, and say nothing.
const TELL_WHO: &str = "the server may want to know who we are, which client-cert.pem and client-key.pem in the directory of \
                        tls-certificates say";

/// Whether an export is meant, well or badly.
pub(crate) fn is_meant_by(path: &Path) -> bool {
    path.to_str().is_some_and(Address::is_meant_by)
}

/// The address that `path` is; `None` if it is a file.
pub(crate) fn address_of(path: &Path) -> Result<Option<Address>, Failure> {
    let Some(text) = path.to_str().filter(|text| Address::is_meant_by(text)) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|error: AddressError| {
        let hint = error.hint();
        Failure::of(error).hint(hint)
    })
}

/// Opens the export at `address`, which was typed as `path`.
pub(crate) fn open(
    path: &Path,
    address: &Address,
    options: &OpenOptions,
) -> Result<Arc<Remote>, Failure> {
    let refuse = |what: &str, hint: &str| {
        Err(Failure::new(format!("{} is an export of a server, {what}", path.display())).hint(hint))
    };
    if options.create.is_some() {
        return refuse("which cannot be created from here", "leave --create out");
    }
    if options.format.is_some_and(|format| format != ImageFormat::Raw) {
        return refuse(
            "which shows the bytes of the disk whatever its image is",
            "leave --format out",
        );
    }
    if options.transfer == Transfer::Direct {
        return refuse("whose page cache is its server's affair", "leave --direct out");
    }
    let secure = address.tls().map(secure).transpose()?;
    Remote::open(address, secure, options.access, Patience::default()).map_err(|error| {
        let hint = match &error {
            RemoteError::Tls(error) => what_to_do(error).map(str::to_owned),
            RemoteError::Negotiation(NegotiationError::HungUp) if address.tls().is_some() => {
                Some(TELL_WHO.to_owned())
            }
            _ => error.hint().map(|hint| hint.replace("ADDRESS", &shell_word(path))),
        };
        let failure = Failure::because(format!("cannot use {}", path.display()), error);
        hint.into_iter().fold(failure, Failure::hint)
    })
}

/// Who talks TLS with the server of an address that asks for it.
#[cfg(feature = "tls")]
fn secure(tls: &AddressTls) -> Result<Arc<dyn Secure>, Failure> {
    Ok(Arc::new(TlsOutward::open(tls)?))
}

#[cfg(not(feature = "tls"))]
fn secure(_: &AddressTls) -> Result<Arc<dyn Secure>, Failure> {
    let what = "this blkreplay was built without TLS, which nbds: needs";
    Err(Failure::new(what)
        .hint("build it with the feature tls, which is there unless it is turned off"))
}

#[cfg(not(feature = "tls"))]
fn what_to_do(_: &std::io::Error) -> Option<&'static str> {
    None
}

/// Two writers of one export would undo each other's work.
pub(crate) fn refuse_one_twice(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut seen: Vec<(&Path, Address)> = Vec::new();
    for path in paths {
        // What is no address is told of when it is opened.
        let Ok(Some(address)) = address_of(path) else { continue };
        if let Some((first, _)) = seen.iter().find(|(_, other)| address.is_same_as(other)) {
            return Err(if *first == path {
                Failure::new(format!("the image {} is given twice", path.display()))
            } else {
                let (one, other) = (first.display(), path.display());
                Failure::new(format!("the images {one} and {other} are one export"))
            });
        }
        seen.push((path, address));
    }
    Ok(())
}

/// What became of a server that was lost, in one line.
pub(crate) fn loss_line(path: &Path, loss: &Loss) -> String {
    let what = failure::with_reasons(&format!("lost {}", path.display()), &loss.error);
    let later = "requests since then fail with ESHUTDOWN";
    match loss.requests {
        0 => format!("{what}; {later}"),
        1 => format!("{what}; 1 request was with it and failed with EIO, {later}"),
        more => {
            let requests = counted(more as u64, "request");
            format!("{what}; {requests} were with it and failed with EIO, {later}")
        }
    }
}

#[cfg(test)]
mod tests {
    use blkreplay_core::device::Access;
    use blkreplay_core::nbd::LossError;

    use super::*;

    const OPTIONS: OpenOptions = OpenOptions {
        access: Access::ReadOnly,
        format: None,
        transfer: Transfer::Buffered,
        create: None,
    };

    #[test]
    fn what_only_files_can_do_is_refused_before_anybody_is_asked() {
        let path = Path::new("nbd:unix:/nowhere");
        let address = address_of(path).unwrap().unwrap();
        for (options, hint) in [
            (OpenOptions { create: Some("1G".parse().unwrap()), ..OPTIONS }, "leave --create out"),
            (OpenOptions { format: Some(ImageFormat::Qcow2), ..OPTIONS }, "leave --format out"),
            (OpenOptions { transfer: Transfer::Direct, ..OPTIONS }, "leave --direct out"),
        ] {
            let Err(refused) = open(path, &address, &options) else { panic!("{hint}") };
            assert!(refused.to_string().starts_with("nbd:unix:/nowhere is an export"), "{refused}");
            assert_eq!(refused.hints(), [hint]);
        }
    }

    #[test]
    fn what_a_loss_cost_is_told() {
        let line = |requests| {
            loss_line(Path::new("nbd://h/"), &Loss { error: LossError::Closed, requests })
        };
        let lost = "lost nbd://h/: the server closed the connection; ";
        let later = "requests since then fail with ESHUTDOWN";
        assert_eq!(line(0), format!("{lost}{later}"));
        assert!(line(1).starts_with(&format!("{lost}1 request was with it and failed with EIO")));
        assert!(line(2).starts_with(&format!("{lost}2 requests were with it and failed with EIO")));
        assert!(line(2).ends_with(later));
    }

    #[test]
    fn one_export_under_two_names_is_refused() {
        let check = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            refuse_one_twice(&paths).map_err(|refused| refused.to_string())
        };
        let (one, other) = ("nbd:unix:/a:exportname=x", "nbd+unix:///x?socket=/a");
        let both = format!("the images {one} and {other} are one export");
        assert_eq!(check(&[one, "disk.img", other]), Err(both));
        assert_eq!(check(&[one, one]), Err(format!("the image {one} is given twice")));
        assert_eq!(check(&[one, "nbd:unix:/a", "nbd:unix:/b:exportname=x", "disk.img"]), Ok(()));
    }
}
