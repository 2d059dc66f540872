//! Where clients find us. An address as typed comes in, a listener, its URIs and the promise to clean up go
//! out.
//!
//! It knows no images and no protocol. Invariants: nobody but the owner reaches a socket of ours; TCP in plain is
//! loopback unless the caller insists, a socket that was handed to us too; what was made is removed when the
//! [`Endpoint`] is dropped, and nothing else is.

use std::env;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use blkreplay_core::nbd::Listener;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tempfile::TempDir;

use crate::child::Places;
use crate::failure::Failure;
use crate::stdio::{self, Stdio};
use crate::words::shell_word;

/// Longest path of a socket, in bytes: `sun_path` has 108, one of them for the final zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 128;

/// `--listen` as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// A socket at this path.
    Unix(PathBuf),
    /// This address and port; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// The one client on standard input and output.
    Stdio,
}

/// A text that is no address to listen on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an address; write unix:PATH, tcp:127.0.0.1:10809, tcp:[::1]:10809 or stdio")]
pub(crate) struct MalformedAddress(String);

impl FromStr for ListenAddress {
    type Err = MalformedAddress;

    fn from_str(text: &str) -> Result<ListenAddress, MalformedAddress> {
        let malformed = || MalformedAddress(text.to_owned());
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(ListenAddress::Unix(path.into())),
            Some(("tcp", address)) => {
                let address = match address.strip_prefix("localhost:") {
                    Some(port) => format!("127.0.0.1:{port}"),
                    None => address.to_owned(),
                };
                address.parse().map(ListenAddress::Tcp).map_err(|_| malformed())
            }
            None if text == "stdio" => Ok(ListenAddress::Stdio),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            ListenAddress::Tcp(address) => write!(f, "tcp:{address}"),
            ListenAddress::Stdio => f.write_str("stdio"),
        }
    }
}

/// How clients talk to us, and so who may reach a TCP port of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In plain: this machine.
    Loopback,
    /// In plain, with `--allow-plaintext`: whoever reaches the address.
    Plaintext,
    /// Under TLS: whoever reaches the address, and may.
    Secret,
}

/// Where we listen. Dropping it removes the socket.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: EndpointAddress,
    reach: Reach,
}

#[derive(Debug)]
enum EndpointAddress {
    Private {
        directory: TempDir,
    },
    Unix(OwnSocket),
    Tcp(SocketAddr),
    /// Handed over; the path is somebody else's.
    Handed(Option<PathBuf>),
    Stdio {
        /// Waits for the last bytes to have gone.
        _client: Stdio,
    },
}

/// Where the control socket lies. Dropping it removes the directory that was made for it.
#[derive(Debug)]
pub(crate) struct ControlPlace {
    pub(crate) path: PathBuf,
    _directory: Option<TempDir>,
}

/// A socket at a path that somebody chose.
#[derive(Debug)]
struct OwnSocket {
    path: PathBuf,
    inode: u64,
}

impl Endpoint {
    /// Listens on `address`, or in a new private directory.
    pub(crate) fn listen(
        address: Option<&ListenAddress>,
        reach: Reach,
    ) -> Result<(Endpoint, Listener), Failure> {
        let (address, listener) = match address {
            None => listen_privately(),
            Some(ListenAddress::Unix(path)) => listen_on_path(path),
            Some(ListenAddress::Tcp(address)) => listen_on_tcp(*address, reach),
            Some(ListenAddress::Stdio) => {
                let (client, stdio) = stdio::take()?;
                Ok((EndpointAddress::Stdio { _client: stdio }, Listener::Connected(client)))
            }
        }?;
        Ok((Endpoint { address, reach }, listener))
    }

    /// Takes a listener that is somebody else's, and its address with it.
    pub(crate) fn handed(listener: &Listener, reach: Reach) -> Result<Endpoint, Failure> {
        let cannot = |error| Failure::because("cannot use the socket that was handed over", error);
        let address = match listener {
            Listener::Tcp(listener) => {
                let address = listener.local_addr().map_err(cannot)?;
                check_reach(address, reach)?;
                EndpointAddress::Tcp(address)
            }
            Listener::Unix(listener) => {
                let address = listener.local_addr().map_err(cannot)?;
                // A URI has to hold an absolute path.
                let path = address.as_pathname().map(std::path::absolute);
                EndpointAddress::Handed(path.transpose().map_err(cannot)?)
            }
            Listener::Connected(_) => EndpointAddress::Handed(None),
        };
        Ok(Endpoint { address, reach })
    }

    /// Where the first `exports` exports are found.
    pub(crate) fn places(&self, exports: usize) -> Places {
        let socket = self.socket();
        let uris = (0..exports).map(|number| match (&self.address, &socket) {
            (EndpointAddress::Tcp(address), _) => tcp_uri(self.scheme(), *address, number),
            (_, Some(socket)) => unix_uri(self.scheme(), socket, number),
            (EndpointAddress::Stdio { .. }, None) => nameless("standard input and output", number),
            (_, None) => nameless("the socket that was handed over", number),
        });
        Places { uris: uris.collect(), socket: socket.map(OsString::from), control: None }
    }

    fn scheme(&self) -> &'static str {
        match self.reach {
            Reach::Secret => "nbds",
            Reach::Loopback | Reach::Plaintext => "nbd",
        }
    }

    /// Whether there is an address by which a COMMAND could find us.
    pub(crate) fn has_address(&self) -> bool {
        matches!(self.address, EndpointAddress::Tcp(_)) || self.socket().is_some()
    }

    /// Whether the client that is there is the only one.
    pub(crate) fn is_stdio(&self) -> bool {
        matches!(self.address, EndpointAddress::Stdio { .. })
    }

    /// Listens for those who control the recording: beside our own socket if that is private, else in a private
    /// directory of its own.
    pub(crate) fn listen_for_control(&self) -> Result<(ControlPlace, UnixListener), Failure> {
        let (path, directory) = if let EndpointAddress::Private { directory } = &self.address {
            (directory.path().join("control"), None)
        } else {
            let directory = private_directory()?;
            (directory.path().join("control"), Some(directory))
        };
        let listener = bind(&path)?;
        Ok((ControlPlace { path, _directory: directory }, listener))
    }

    /// Whether other machines may reach it.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.address, EndpointAddress::Tcp(address) if !address.ip().is_loopback())
    }

    fn socket(&self) -> Option<PathBuf> {
        match &self.address {
            EndpointAddress::Private { directory } => Some(directory.path().join("nbd")),
            EndpointAddress::Unix(socket) => Some(socket.path.clone()),
            EndpointAddress::Handed(path) => path.clone(),
            EndpointAddress::Tcp(_) | EndpointAddress::Stdio { .. } => None,
        }
    }
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        // Somebody may have put another file there meanwhile; that one is not ours to remove.
        if fs::symlink_metadata(&self.path).is_ok_and(|now| now.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn listen_privately() -> Result<(EndpointAddress, Listener), Failure> {
    let directory = private_directory()?;
    let path = directory.path().join("nbd");
    let listener = bind(&path)?;
    Ok((EndpointAddress::Private { directory }, Listener::Unix(listener)))
}

fn listen_on_path(path: &Path) -> Result<(EndpointAddress, Listener), Failure> {
    // COMMAND may run elsewhere, and a URI has to hold an absolute path.
    let path = std::path::absolute(path).map_err(|error| cannot_listen(path, error))?;
    let listener = bind(&path)?;
    let inode = fs::symlink_metadata(&path).map_err(|error| cannot_listen(&path, error))?.ino();
    Ok((EndpointAddress::Unix(OwnSocket { path, inode }), Listener::Unix(listener)))
}

fn listen_on_tcp(
    address: SocketAddr,
    reach: Reach,
) -> Result<(EndpointAddress, Listener), Failure> {
    check_reach(address, reach)?;
    let what = || format!("cannot listen on tcp:{address}");
    let listener = TcpListener::bind(address).map_err(|error| Failure::because(what(), error))?;
    let bound = listener.local_addr().map_err(|error| Failure::because(what(), error))?;
    Ok((EndpointAddress::Tcp(bound), Listener::Tcp(listener)))
}

/// Refuses an address that others can reach, unless they were let in.
fn check_reach(address: SocketAddr, reach: Reach) -> Result<(), Failure> {
    if reach != Reach::Loopback || address.ip().is_loopback() {
        return Ok(());
    }
    let refused = Failure::new(format!(
        "refused to listen on tcp:{address} in plain: other machines could read and write the image"
    ));
    let refused = if cfg!(feature = "tls") {
        refused.hint("--tls-cert FILE --tls-key FILE --tls-ca FILE lets in who has a certificate")
    } else {
        refused
    };
    Err(refused.hint("--allow-plaintext listens there all the same; NBD has no passwords"))
}

/// A directory that only we can look into: under `XDG_RUNTIME_DIR` if that works, else under TMPDIR.
fn private_directory() -> Result<TempDir, Failure> {
    let make = |parent: &Path| {
        let mut builder = tempfile::Builder::new();
        builder.prefix("blkreplay-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
    };
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    if let Some(directory) = runtime.and_then(|parent| make(Path::new(&parent)).ok()) {
        return Ok(directory);
    }
    let parent = env::temp_dir();
    make(&parent).map_err(|error| {
        Failure::because(
            format!("cannot make a directory for the socket in {}", parent.display()),
            error,
        )
        .hint("TMPDIR names another place; --listen unix:PATH names the socket itself")
    })
}

/// Binds a socket that only its owner can open.
fn bind(path: &Path) -> Result<UnixListener, Failure> {
    let length = path.as_os_str().as_bytes().len();
    if length > SOCKET_PATH_BYTES_MAX {
        return Err(Failure::new(format!(
            "cannot listen on unix:{}: the path has {length} bytes, a socket's path at most \
             {SOCKET_PATH_BYTES_MAX}",
            path.display()
        ))
        .hint("XDG_RUNTIME_DIR=/tmp, or --listen unix:/tmp/b.sock, gives a shorter one"));
    }
    bind_for_owner(path).map_err(|error| cannot_listen(path, error.into()))
}

/// Nobody can connect before `listen`, and by then the socket is its owner's alone.
fn bind_for_owner(path: &Path) -> Result<UnixListener, Errno> {
    let socket =
        net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
    net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

fn cannot_listen(path: &Path, error: io::Error) -> Failure {
    let in_use = error.kind() == io::ErrorKind::AddrInUse;
    let what = format!("cannot listen on unix:{}", path.display());
    if !in_use {
        return Failure::because(what, error);
    }
    let word = shell_word(path);
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    match UnixStream::connect(path) {
        Ok(_) => Failure::new(format!("{what}: another program listens there")),
        Err(error) if refused(&error) => Failure::new(format!("{what}: a socket is left there"))
            .hint(format!("nobody listens on it any more: rm {word}")),
        Err(_) => Failure::new(format!("{what}: there is such a file already")),
    }
}

/// The first export has the empty name, the others their number.
fn export_name(number: usize) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

/// Where an export is that no URI leads to, for people.
fn nameless(place: &str, number: usize) -> String {
    match number {
        0 => place.to_owned(),
        _ => format!("{place}, export {}", export_name(number)),
    }
}

fn unix_uri(scheme: &str, socket: &Path, number: usize) -> String {
    let mut uri = format!("{scheme}+unix:///{}?socket=", export_name(number));
    for byte in socket.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// An address that listens everywhere is reached through loopback.
fn tcp_uri(scheme: &str, address: SocketAddr, number: usize) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("{scheme}://{}/{}", SocketAddr::new(ip, address.port()), export_name(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in
            ["unix:/run/d.sock", "unix:d.sock", "tcp:127.0.0.1:10809", "tcp:[::1]:0", "stdio"]
        {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        assert_eq!("tcp:localhost:1".parse(), "tcp:127.0.0.1:1".parse::<ListenAddress>());
        for text in ["", "unix:", "d.sock", "tcp:", "tcp:10809", "tcp:host:1", "udp:1.2.3.4:5"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(MalformedAddress(text.to_owned())));
        }
    }

    #[test]
    fn uris_escape_what_would_end_them() {
        assert_eq!(
            unix_uri("nbd", Path::new("/run/a b&c"), 0),
            "nbd+unix:///?socket=/run/a%20b%26c"
        );
        assert_eq!(unix_uri("nbds", Path::new("/s"), 1), "nbds+unix:///1?socket=/s");
        assert_eq!(tcp_uri("nbd", "0.0.0.0:7".parse().unwrap(), 0), "nbd://127.0.0.1:7/");
        assert_eq!(tcp_uri("nbds", "[::1]:7".parse().unwrap(), 2), "nbds://[::1]:7/2");
    }

    #[test]
    fn a_private_socket_is_private_and_goes_with_its_endpoint() {
        let (endpoint, _listener) = Endpoint::listen(None, Reach::Loopback).unwrap();
        let socket = endpoint.socket().unwrap();
        let directory = socket.parent().unwrap().to_owned();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&socket)), (0o700, 0o600));
        drop(endpoint);
        assert!(!directory.exists());
    }

    #[test]
    fn the_control_socket_is_private_wherever_clients_find_us() {
        let directory = tempfile::tempdir().unwrap();
        let address = ListenAddress::Unix(directory.path().join("d.sock"));
        for address in [None, Some(&address)] {
            let (endpoint, _listener) = Endpoint::listen(address, Reach::Loopback).unwrap();
            let (place, _control) = endpoint.listen_for_control().unwrap();
            let path = place.path.clone();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
            drop((place, endpoint));
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_socket_at_a_path_is_removed_unless_it_is_no_longer_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d.sock");
        let address = ListenAddress::Unix(path.clone());
        let (endpoint, listener) = Endpoint::listen(Some(&address), Reach::Loopback).unwrap();
        let busy = Endpoint::listen(Some(&address), Reach::Loopback).unwrap_err();
        assert!(busy.to_string().contains("another program listens"), "{busy}");
        drop(listener);
        let stale = Endpoint::listen(Some(&address), Reach::Loopback).unwrap_err();
        assert!(stale.hints()[0].contains("rm "), "{stale}");
        drop(endpoint);
        assert!(!path.exists());

        let (endpoint, _listener) = Endpoint::listen(Some(&address), Reach::Loopback).unwrap();
        let other = directory.path().join("other");
        fs::write(&other, "not ours").unwrap();
        fs::rename(&other, &path).unwrap();
        drop(endpoint);
        assert!(path.exists());
    }

    #[test]
    fn a_path_too_long_is_refused_with_its_length() {
        let path = PathBuf::from(format!("/tmp/{}", "x".repeat(103)));
        let refused =
            Endpoint::listen(Some(&ListenAddress::Unix(path)), Reach::Loopback).unwrap_err();
        assert!(refused.to_string().contains("108 bytes"), "{refused}");
        assert!(!refused.hints().is_empty());
    }

    #[test]
    fn other_machines_are_let_in_only_when_asked() {
        let address = ListenAddress::Tcp("0.0.0.0:0".parse().unwrap());
        let refused = Endpoint::listen(Some(&address), Reach::Loopback).unwrap_err();
        assert!(refused.hints().iter().any(|hint| hint.contains("--allow-plaintext")));
        for (reach, scheme) in [(Reach::Plaintext, "nbd"), (Reach::Secret, "nbds")] {
            let (endpoint, listener) = Endpoint::listen(Some(&address), reach).unwrap();
            assert!(endpoint.is_remote());
            let places = endpoint.places(2);
            assert!(places.uris[1].starts_with(&format!("{scheme}://127.0.0.1:")));
            assert!(places.uris[1].ends_with("/1") && places.socket.is_none());
            // It may have been bound by somebody else.
            assert!(Endpoint::handed(&listener, reach).unwrap().is_remote());
            assert!(Endpoint::handed(&listener, Reach::Loopback).is_err());
        }
    }

    #[test]
    fn a_socket_that_was_handed_over_is_found_where_it_is_and_left_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d.sock");
        let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
        let endpoint = Endpoint::handed(&listener, Reach::Loopback).unwrap();
        assert_eq!(endpoint.socket().as_ref(), Some(&path));
        assert!(endpoint.has_address() && !endpoint.is_remote());
        drop(endpoint);
        assert!(path.exists());
        let name = format!("blkreplay-test-{}", std::process::id());
        let abstracted = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        let socket = net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        net::bind(&socket, &abstracted).unwrap();
        let listener = Listener::Unix(UnixListener::from(socket));
        let endpoint = Endpoint::handed(&listener, Reach::Loopback).unwrap();
        assert!(!endpoint.has_address());
        assert_eq!(endpoint.places(2).uris[1], "the socket that was handed over, export 1");
    }
}
