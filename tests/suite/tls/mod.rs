//! TLS: real clients of `record`, files that are no good, peers that are not meant to be let in; other servers.
//!
//! The certificates are made for each test (`pki`).

mod clients;
mod files;
mod hostile;
mod images;
mod peers;
mod pki;
mod remote;

use rustix::process::Signal;

use crate::support::{Finished, Running, Sandbox, wait_for};
use pki::Pki;

/// Bytes of the image.
const SIZE: u64 = 8 << 20;

/// A recording under TLS, on a port of its own.
struct Server {
    sandbox: Sandbox,
    pki: Pki,
    recording: Running,
    port: u16,
}

impl Server {
    /// Asks clients for a certificate.
    fn strict() -> Server {
        Server::start("--tls-ca pki/ca-cert.pem")
    }

    /// Lets in whoever wants TLS.
    fn lenient() -> Server {
        Server::start("")
    }

    fn start(options: &str) -> Server {
        let sandbox = Sandbox::new();
        let pki = Pki::new(&sandbox, "pki");
        sandbox.blank("disk.img", SIZE);
        let mut recording = sandbox
            .blkreplay(&format!(
                "record disk.img -o t.blkr --write --listen tcp:localhost:0 \
                 --tls-cert pki/server-cert.pem --tls-key pki/server-key.pem {options}"
            ))
            .start();
        // The line is whole when its end is there.
        recording.wait_for_stderr("image disk.img\n");
        let said = recording.stderr();
        let (_, behind) = said.split_once("nbds://127.0.0.1:").expect("it says where it is");
        let port = behind.split('/').next().unwrap().parse().unwrap();
        Server { sandbox, pki, recording, port }
    }

    /// Where a client that has its files in `directory` finds it.
    fn uri(&self, directory: &str) -> String {
        let directory = self.sandbox.path(directory);
        format!("nbds://localhost:{}/?tls-certificates={}", self.port, directory.display())
    }

    /// Waits until it has said this, of a connection that ended.
    #[track_caller]
    fn waits_to_say(&mut self, text: &str) {
        self.recording.wait_for_stderr(text);
    }

    /// Ends the recording, which others must not have disturbed: a client that may is served before.
    #[track_caller]
    fn still_serves(mut self) -> (Sandbox, Finished) {
        let uri = self.uri("pki");
        let served = self.sandbox.tool("nbdinfo").args(["--size", &uri]).finish().succeeds();
        assert_eq!(served.stdout.trim(), SIZE.to_string());
        self.recording.signal(Signal::TERM);
        let finished = self.recording.finish().succeeds();
        self.sandbox.blkreplay("check t.blkr").finish().succeeds();
        (self.sandbox, finished)
    }
}

/// Makes `pki`, a directory with all that a server and a client need.
pub(crate) fn pki(sandbox: &Sandbox) {
    Pki::new(sandbox, "pki");
}

/// The threads of a process, by name.
fn threads(recording: &Running, name: &str) -> usize {
    let pid = recording.pid().as_raw_nonzero();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

/// Waits until no thread of this name is left.
#[track_caller]
fn wait_for_no(recording: &Running, name: &str) {
    wait_for(name, || (threads(recording, name) == 0).then_some(()));
}
