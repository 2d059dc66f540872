//! TLS towards another server, as whoever asks it and that server see it: the server is ours.

use blkreplay_core::nbd::AddressTls;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::super::{TlsOutward, what_to_do};
use super::*;

/// A server and a directory that tells clients whom to trust.
struct Server {
    tls: Arc<Tls>,
    directory: tempfile::TempDir,
}

impl Server {
    fn new() -> Server {
        Server::of(&CertificateParams::new(["localhost".to_owned()]).unwrap())
    }

    /// Of a certificate that says this, which it signs itself.
    fn of(params: &CertificateParams) -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let files = TlsFiles {
            certificate: path("ca-cert.pem"),
            key: path("server-key.pem"),
            authority: None,
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        Server { tls: Arc::new(Tls::open(&files).unwrap()), directory }
    }

    /// Who talks to it, as far as it trusts this server, under this name.
    fn trusting(&self, host: Option<&str>) -> TlsOutward {
        let certificates = Some(self.directory.path().to_owned());
        TlsOutward::open(&AddressTls { certificates, host: host.map(str::to_owned) }).unwrap()
    }

    /// Both sides of a handshake: what the client has of it, and what the server.
    fn shakes_hands(&self, client: &TlsOutward) -> (io::Result<Tunnel>, io::Result<Tunnel>) {
        let (ours, theirs) = pair();
        theirs.set_nonblocking(true).unwrap();
        let tls = Arc::clone(&self.tls);
        let serving = thread::spawn(move || tls.secure(ours, &[]));
        let outward = client.secure(theirs.into(), &[]);
        (outward, serving.join().unwrap())
    }

    #[track_caller]
    fn is_refused(&self, client: &TlsOutward) -> io::Error {
        let (outward, _) = self.shakes_hands(client);
        outward.expect_err("it is not to be trusted")
    }
}

fn blocking(tunnel: Tunnel) -> (UnixStream, Carrier) {
    let plain = UnixStream::from(tunnel.plain);
    plain.set_nonblocking(false).unwrap();
    (plain, tunnel.carrier)
}

#[test]
fn bytes_go_to_a_server_and_back_until_either_ends() {
    let server = Server::new();
    let (outward, serving) = server.shakes_hands(&server.trusting(Some("localhost")));
    let ((mut asks, asking), (mut answers, carrying)) =
        (blocking(outward.unwrap()), blocking(serving.unwrap()));
    let said = thread::spawn(move || {
        asks.write_all(&bytes(0, 1 << 20)).unwrap();
        let mut heard = vec![0; 300_000];
        asks.read_exact(&mut heard).unwrap();
        assert!(heard == bytes(7, 300_000));
        asks
    });
    let mut heard = vec![0; 1 << 20];
    answers.read_exact(&mut heard).unwrap();
    assert!(heard == bytes(0, 1 << 20));
    answers.write_all(&bytes(7, 300_000)).unwrap();
    drop(said.join().unwrap());
    assert_eq!(answers.read(&mut [0]).unwrap(), 0);
    drop(answers);
    asking.join().unwrap().unwrap();
    carrying.join().unwrap().unwrap();
}

#[test]
fn the_name_counts_where_there_is_one_and_nowhere_else() {
    let server = Server::new();
    for host in [Some("localhost"), None] {
        let (outward, _) = server.shakes_hands(&server.trusting(host));
        outward.unwrap_or_else(|error| panic!("{host:?}: {error}"));
    }
    for host in ["elsewhere.example", "127.0.0.1"] {
        let error = server.is_refused(&server.trusting(Some(host)));
        assert!(error.to_string().contains("not valid for name"), "{error}");
        assert!(what_to_do(&error).unwrap().contains("tls-hostname"));
    }
    let nameless = AddressTls { certificates: None, host: Some("no such name".to_owned()) };
    let directory = Some(server.directory.path().to_owned());
    let refused = TlsOutward::open(&AddressTls { certificates: directory, ..nameless });
    assert!(refused.unwrap_err().to_string().contains("can be for `no such name`"));
}

#[test]
fn a_server_of_another_authority_is_not_trusted_with_a_name_or_without() {
    let (server, other) = (Server::new(), Server::new());
    for host in [Some("localhost"), None] {
        let error = server.is_refused(&other.trusting(host));
        assert!(what_to_do(&error).unwrap().contains("ca-cert.pem"), "{error}");
    }
}

#[test]
fn a_server_whose_certificate_has_expired_is_not_trusted_with_a_name_or_without() {
    let now = Server::new();
    // It could not be opened with one that has expired, so what it is trusted by says so in its place.
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    let key = KeyPair::generate().unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let secret = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), secret)
        .unwrap();
    let late = Server { tls: Arc::new(Tls { config: Arc::new(config) }), ..now };
    let pem = params.self_signed(&key).unwrap().pem();
    fs::write(late.directory.path().join("ca-cert.pem"), pem).unwrap();
    for host in [Some("localhost"), None] {
        let error = late.is_refused(&late.trusting(host));
        assert!(error.to_string().contains("expired"), "{error}");
    }
}

#[test]
fn a_server_that_hangs_up_or_talks_nonsense_is_an_error_and_no_more() {
    let server = Server::new();
    let client = server.trusting(None);
    let (ours, theirs) = pair();
    drop(theirs);
    let error = client.secure(ours, &[]).unwrap_err();
    assert!(
        ["the server hung up inside the handshake", "Broken pipe (os error 32)"]
            .contains(&error.to_string().as_str()),
        "{error}"
    );
    let (ours, mut theirs) = pair();
    theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    let error = client.secure(ours, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(what_to_do(&error), None);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_until_a_limit_is_reached() {
    let (ours, _theirs) = pair();
    let (limit, mut ends) = UnixStream::pair().unwrap();
    ends.write_all(b"x").unwrap();
    let error = Server::new().trusting(None).secure(ours, &[limit.as_fd()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
