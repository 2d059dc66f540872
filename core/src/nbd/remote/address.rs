//! Where an export of another server is: a text as typed comes in, a place and a name go out, or what is wrong with it.
//!
//! NBD's own URIs (NetworkBlockDevice/nbd, `doc/uri.md`), with libnbd's parameters for TLS (`nbd_connect_uri`), and the
//! older form of QEMU. It connects to nothing and looks at no file but to compare. Invariant: an address fits what it is for:
//! a socket's path and an export's name are no longer than they may be.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::limits::NBD_STRING_BYTES_MAX;

/// The port that NBD has of its own.
const PORT: u16 = 10809;

/// Longest path of a socket, in bytes: `sun_path` has 108, one of them for the final zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What separates the place from the name in QEMU's form.
const QEMU_EXPORT: &str = ":exportname=";

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port of a host.
    Tcp {
        /// By name or number.
        host: String,
        /// Its port.
        port: u16,
    },
}

/// An export of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) place: Place,
    pub(super) export: String,
    pub(super) tls: Option<AddressTls>,
}

/// What an address says of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressTls {
    /// The directory of whom we trust and of what we prove ourselves with (`tls-certificates`).
    pub certificates: Option<PathBuf>,
    /// Whom the server's certificate has to name: `tls-hostname`, else the host; `None` on a socket in the file system.
    pub host: Option<String>,
}

/// A text that begins as an address and is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no export that can be used: {wrong}")]
pub struct AddressError {
    text: String,
    wrong: Wrong,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Wrong {
    #[error("`{0}` is no way to a server that is known here")]
    Scheme(String),
    #[error("it does not say where the socket is")]
    NoSocket,
    #[error("a socket has no host, so three slashes follow `nbd+unix:`")]
    SocketOnHost,
    #[error("it names no host")]
    NoHost,
    #[error("user names are for TLS with pre-shared keys, which is not spoken here")]
    PreShared,
    #[error("`{0}` is for nbds: and nbds+unix: only")]
    OnlyTls(String),
    #[error("`{0}`: the certificate of a server is always looked at")]
    Unverified(String),
    #[error("`{0}` is no port")]
    Port(String),
    #[error("no port behind the host")]
    NoPort,
    #[error("the parameter `{0}` is unknown")]
    Parameter(String),
    #[error("`{0}` has a % that two hexadecimal digits do not follow, or stands for no text")]
    Encoding(String),
    #[error("the export's name has {0} bytes; limit {NBD_STRING_BYTES_MAX}")]
    LongName(usize),
    #[error("the socket's path has {0} bytes; limit {SOCKET_PATH_BYTES_MAX}")]
    LongPath(usize),
}

impl AddressError {
    /// What to do about it; a whole sentence without a full stop.
    pub fn hint(&self) -> &'static str {
        match self.wrong {
            Wrong::PreShared => "certificates are: nbds://HOST/EXPORT?tls-certificates=DIR",
            Wrong::OnlyTls(_) => "nbd: is spoken in plain; write nbds:, or leave the parameter out",
            Wrong::Unverified(_) => {
                "a server that signed its own certificate is trusted with that as ca-cert.pem in the directory of tls-certificates"
            }
            Wrong::LongPath(_) => "a symbolic link to its directory makes it shorter",
            _ => {
                "write 'nbd+unix:///EXPORT?socket=PATH', nbd://HOST:PORT/EXPORT, nbd:unix:PATH:exportname=EXPORT or \
                 nbd:HOST:PORT:exportname=EXPORT, under TLS 'nbds://HOST:PORT/EXPORT?tls-certificates=DIR'; a file of such a \
                 name is ./nbd:…"
            }
        }
    }
}

impl Address {
    /// Whether `text` means an export of a server, well or badly, and not a file.
    pub fn is_meant_by(text: &str) -> bool {
        text.split_once(':').is_some_and(|(scheme, _)| {
            let (plain, transport) = scheme.split_once('+').unwrap_or((scheme, "unix"));
            let is_word =
                !transport.is_empty() && transport.bytes().all(|b| b.is_ascii_lowercase());
            ["nbd", "nbds"].contains(&plain) && is_word
        })
    }

    /// What is to be done about TLS; `None` where the server is talked to in plain.
    pub fn tls(&self) -> Option<&AddressTls> {
        self.tls.as_ref()
    }

    /// A name for people: the export's, or that of the place where it has none, as a file would have it.
    pub fn name(&self) -> String {
        let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = match &self.place {
            _ if !self.export.is_empty() => stem(Path::new(&self.export)),
            Place::Unix(path) => stem(path),
            Place::Tcp { host, .. } => Some(host.clone()),
        };
        name.unwrap_or_else(|| "export".to_owned())
    }

    /// Whether the two are one export of one server, as far as can be seen from here: a server may listen in several
    /// places, and give one export several names.
    pub fn is_same_as(&self, other: &Address) -> bool {
        let one_place = match (&self.place, &other.place) {
            (Place::Unix(one), Place::Unix(other)) => {
                let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                real(one) == real(other)
            }
            (one @ Place::Tcp { .. }, other @ Place::Tcp { .. }) => {
                one == other || {
                    let others = other.resolved();
                    one.resolved().iter().any(|address| others.contains(address))
                }
            }
            _ => false,
        };
        one_place && self.export == other.export
    }
}

impl Place {
    /// The addresses that a host's name stands for; none if nobody knows it, or for a socket.
    fn resolved(&self) -> Vec<SocketAddr> {
        match self {
            Place::Unix(_) => Vec::new(),
            Place::Tcp { host, port } => (host.as_str(), *port)
                .to_socket_addrs()
                .map_or_else(|_| Vec::new(), Iterator::collect),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let error = |wrong| AddressError { text: text.to_owned(), wrong };
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let parsed = match (scheme, rest.strip_prefix("//")) {
            ("nbd+unix", Some(rest)) => unix_uri(rest, None),
            ("nbds+unix", Some(rest)) => unix_uri(rest, Some(AddressTls::default())),
            ("nbd+unix" | "nbds+unix", None) => Err(Wrong::NoSocket),
            ("nbd", Some(rest)) => tcp_uri(rest, None),
            ("nbds", Some(rest)) => tcp_uri(rest, Some(AddressTls::default())),
            ("nbds", None) => Err(Wrong::NoHost),
            ("nbd", None) => qemu_form(rest),
            (scheme, _) => Err(Wrong::Scheme(scheme.to_owned())),
        };
        let address = parsed.map_err(error)?;
        match &address.place {
            Place::Unix(path) if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX => {
                Err(error(Wrong::LongPath(path.as_os_str().len())))
            }
            _ if address.export.len() > NBD_STRING_BYTES_MAX => {
                Err(error(Wrong::LongName(address.export.len())))
            }
            _ => Ok(address),
        }
    }
}

/// What follows `nbd+unix://`, or `nbds+unix://` if there is TLS.
fn unix_uri(rest: &str, mut tls: Option<AddressTls>) -> Result<Address, Wrong> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.is_empty() && !path.starts_with('/') {
        return Err(Wrong::SocketOnHost);
    }
    let mut socket = None;
    for parameter in parameters(query) {
        match parameter.split_once('=') {
            Some(("socket", path)) if !path.is_empty() => socket = Some(path_of(path)?),
            _ => about_tls(parameter, tls.as_mut())?,
        }
    }
    let place = Place::Unix(socket.ok_or(Wrong::NoSocket)?);
    Ok(Address { place, export: export_of(path)?, tls })
}

/// What follows `nbd://`, or `nbds://` if there is TLS.
fn tcp_uri(rest: &str, mut tls: Option<AddressTls>) -> Result<Address, Wrong> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    for parameter in parameters(query) {
        about_tls(parameter, tls.as_mut())?;
    }
    let split = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    if authority.contains('@') {
        return Err(Wrong::PreShared);
    }
    let place = tcp_place(authority, Some(PORT))?;
    if let (Some(tls), Place::Tcp { host, .. }) = (&mut tls, &place) {
        tls.host.get_or_insert_with(|| host.clone());
    }
    Ok(Address { place, export: export_of(path)?, tls })
}

fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|parameter| !parameter.is_empty())
}

/// Takes in a parameter that is about TLS; no other is known.
fn about_tls(parameter: &str, tls: Option<&mut AddressTls>) -> Result<(), Wrong> {
    let unknown = || Wrong::Parameter(parameter.to_owned());
    let (name, value) = parameter.split_once('=').ok_or_else(unknown)?;
    if value.is_empty() || !name.starts_with("tls-") {
        return Err(unknown());
    }
    let tls = tls.ok_or_else(|| Wrong::OnlyTls(parameter.to_owned()))?;
    match (name, value) {
        ("tls-certificates", path) => tls.certificates = Some(path_of(path)?),
        ("tls-hostname", host) => tls.host = Some(text_of(host)?),
        ("tls-verify-peer", "true" | "yes" | "on" | "1") => {}
        ("tls-verify-peer", _) => return Err(Wrong::Unverified(parameter.to_owned())),
        ("tls-psk-file", _) => return Err(Wrong::PreShared),
        _ => return Err(unknown()),
    }
    Ok(())
}

/// What follows `nbd:` where no slashes do: the form of QEMU, which knows no % and takes everything as it is.
fn qemu_form(rest: &str) -> Result<Address, Wrong> {
    let (place, export) = rest.split_once(QEMU_EXPORT).unwrap_or((rest, ""));
    let place = match place.strip_prefix("unix:") {
        Some("") => return Err(Wrong::NoSocket),
        Some(path) => Place::Unix(path.into()),
        None => tcp_place(place, None)?,
    };
    Ok(Address { place, export: export.to_owned(), tls: None })
}

/// `HOST:PORT`, or `HOST` where there is a usual port. An IPv6 address stands in brackets.
fn tcp_place(text: &str, usual: Option<u16>) -> Result<Place, Wrong> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(Wrong::NoHost)?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("")))
        }
        None => text.split_once(':').map_or((text, Some("")), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err(Wrong::NoHost);
    }
    let port = port.ok_or_else(|| Wrong::Port(text.to_owned()))?;
    let number = match port {
        "" => usual,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    let number = number.filter(|number| *number > 0).ok_or_else(|| match port {
        "" => Wrong::NoPort,
        port => Wrong::Port(port.to_owned()),
    })?;
    Ok(Place::Tcp { host: host.to_owned(), port: number })
}

/// The export that the path of a URI names: all behind the first slash.
fn export_of(path: &str) -> Result<String, Wrong> {
    text_of(path.strip_prefix('/').unwrap_or(path))
}

fn text_of(text: &str) -> Result<String, Wrong> {
    String::from_utf8(decoded(text)?).map_err(|_| Wrong::Encoding(text.to_owned()))
}

fn path_of(text: &str) -> Result<PathBuf, Wrong> {
    Ok(OsString::from_vec(decoded(text)?).into())
}

/// Bytes with each `%41` as what it stands for. A zero byte belongs to no name.
fn decoded(text: &str) -> Result<Vec<u8>, Wrong> {
    let wrong = || Wrong::Encoding(text.to_owned());
    let digit = |byte: Option<u8>| char::from(byte.unwrap_or(b' ')).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let plain = match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let number = high.zip(low).map(|(high, low)| high * 16 + low);
                number.and_then(|number| u8::try_from(number).ok()).ok_or_else(wrong)?
            }
            plain => plain,
        };
        if plain == 0 {
            return Err(wrong());
        }
        bytes.push(plain);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &str, export: &str) -> Address {
        Address { place: Place::Unix(path.into()), export: export.to_owned(), tls: None }
    }

    fn tcp(host: &str, port: u16, export: &str) -> Address {
        let place = Place::Tcp { host: host.to_owned(), port };
        Address { place, export: export.to_owned(), tls: None }
    }

    fn secure(address: Address, certificates: Option<&str>, host: Option<&str>) -> Address {
        let tls = AddressTls {
            certificates: certificates.map(PathBuf::from),
            host: host.map(str::to_owned),
        };
        Address { tls: Some(tls), ..address }
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (text, expected) in [
            ("nbd+unix:///?socket=/run/a.sock", unix("/run/a.sock", "")),
            ("nbd+unix://?socket=a", unix("a", "")),
            ("nbd+unix:///my%20disk/1?socket=/tmp/a%3fb", unix("/tmp/a?b", "my disk/1")),
            ("nbd+unix:////twice?socket=/a", unix("/a", "/twice")),
            ("nbd://host", tcp("host", 10809, "")),
            ("nbd://host/", tcp("host", 10809, "")),
            ("nbd://192.0.2.1:99/disk", tcp("192.0.2.1", 99, "disk")),
            ("nbd://[::1]/x", tcp("::1", 10809, "x")),
            ("nbd://[::1]:7/x", tcp("::1", 7, "x")),
            ("nbd:unix:/run/a.sock", unix("/run/a.sock", "")),
            ("nbd:unix:/a:b:exportname=d%20:e", unix("/a:b", "d%20:e")),
            ("nbd:localhost:10809", tcp("localhost", 10809, "")),
            ("nbd:[::1]:10809:exportname=d", tcp("::1", 10809, "d")),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert!(Address::is_meant_by(text));
        }
    }

    #[test]
    fn an_address_under_tls_says_whom_to_trust_and_whom_to_expect() {
        let (host, socket) = (tcp("host", 10809, "x"), unix("/a", "x"));
        for (text, expected) in [
            ("nbds://host/x", secure(host.clone(), None, Some("host"))),
            (
                "nbds://host/x?tls-certificates=/my%20pki",
                secure(host.clone(), Some("/my pki"), Some("host")),
            ),
            (
                "nbds://host/x?tls-hostname=other&tls-certificates=pki&tls-verify-peer=true",
                secure(host, Some("pki"), Some("other")),
            ),
            ("nbds://[::1]:7", secure(tcp("::1", 7, ""), None, Some("::1"))),
            (
                "nbds+unix:///x?socket=/a&tls-certificates=pki",
                secure(socket.clone(), Some("pki"), None),
            ),
            ("nbds+unix:///x?tls-hostname=host&socket=/a", secure(socket, None, Some("host"))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            assert!(Address::is_meant_by(text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_wrong() {
        let long = format!("nbd:unix:/{}", "x".repeat(107));
        let named = format!("nbd://host/{}", "x".repeat(4097));
        for (text, why) in [
            ("nbds:host:10809", "no host"),
            ("nbds+unix:/run/a.sock", "where the socket is"),
            ("nbds://me@host/", "pre-shared keys"),
            ("nbds://host/?tls-psk-file=keys", "pre-shared keys"),
            ("nbds://host/?tls-verify-peer=false", "is always looked at"),
            ("nbds://host/?tls-certificates=", "parameter `tls-certificates=`"),
            ("nbds://host/?tls-colour=red", "parameter `tls-colour=red`"),
            ("nbds://host/?tls-hostname=%ff", "has a %"),
            ("nbd://host/?tls-certificates=pki", "is for nbds:"),
            ("nbd+unix:///?socket=/a&tls-certificates=pki", "is for nbds:"),
            ("nbd+vsock://2:10809", "`nbd+vsock` is no way"),
            ("nbd+unix:/run/a.sock", "where the socket is"),
            ("nbd+unix:///disk", "where the socket is"),
            ("nbd+unix:///?socket=", "parameter `socket=`"),
            ("nbd+unix://host/?socket=/a", "three slashes"),
            ("nbd:unix:", "where the socket is"),
            ("nbd://", "no host"),
            ("nbd://[::1", "no host"),
            ("nbd:", "no host"),
            ("nbd://me@host/", "user names"),
            ("nbd://host:0/", "`0` is no port"),
            ("nbd://host:65536/", "`65536` is no port"),
            ("nbd:host", "no port behind the host"),
            ("nbd:host:+5", "`+5` is no port"),
            ("nbd://[::1]x/", "`[::1]x` is no port"),
            ("nbd://host/?socket=/a", "parameter `socket=/a`"),
            ("nbd://host/%4", "has a %"),
            ("nbd://host/%zz", "has a %"),
            ("nbd://host/%ff", "has a %"),
            ("nbd+unix:///?socket=/a%00", "has a %"),
            (&long, "108 bytes; limit 107"),
            (&named, "4097 bytes; limit 4096"),
        ] {
            let refused = text.parse::<Address>().unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
            assert!(Address::is_meant_by(text) && !refused.hint().is_empty());
        }
    }

    #[test]
    fn files_are_not_taken_for_addresses() {
        for text in ["disk.img", "./nbd:x", "nbd", "nbd+", "nbdx:a", "/dev/nbd0", "nbd+/a:b", "a:b"]
        {
            assert!(!Address::is_meant_by(text), "{text}");
        }
    }

    #[test]
    fn one_export_is_known_again_however_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        fs::write(path("s"), "").unwrap();
        std::os::unix::fs::symlink(path("s"), path("link")).unwrap();
        let at = |text: String| text.parse::<Address>().unwrap();
        let one = at(format!("nbd:unix:{}", path("s")));
        assert!(one.is_same_as(&at(format!("nbd+unix:///?socket={}", path("link")))));
        assert!(!one.is_same_as(&at(format!("nbd+unix:///x?socket={}", path("s")))));
        assert!(!one.is_same_as(&at(format!("nbd:unix:{}", path("other")))));
        let one = at("nbd://127.0.0.1/a".to_owned());
        assert!(one.is_same_as(&at("nbd:127.0.0.1:10809:exportname=a".to_owned())));
        assert!(!one.is_same_as(&at("nbd://127.0.0.1:99/a".to_owned())));
    }

    #[test]
    fn an_address_has_a_name_for_people() {
        for (text, name) in [
            ("nbd://host/a/b.img", "b"),
            ("nbd:unix:/run/disk.sock", "disk"),
            ("nbd://192.0.2.1", "192.0.2.1"),
            ("nbd://host/..", "export"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().name(), name);
        }
    }
}
