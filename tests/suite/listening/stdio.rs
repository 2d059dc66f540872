//! `--listen stdio`: one client, which started us and is on our standard input and output.

use super::{PROGRAM, python, sandbox};
use crate::support::Sandbox;

/// Runs a script of libnbd's Python, which has `start`, the words that record.
fn libnbd(sandbox: &Sandbox, options: &str, script: &str) -> crate::support::Finished {
    let line = format!("record disk.img -o t.blkr --listen stdio {options}");
    let words: Vec<&str> = [PROGRAM].into_iter().chain(line.split_whitespace()).collect();
    python(sandbox, &format!("import nbd\nstart = {words:?}\nh = nbd.NBD()\n{script}")).finish()
}

#[test]
fn libnbd_runs_a_recording_as_its_command() {
    let sandbox = sandbox();
    let finished = libnbd(
        &sandbox,
        "--write",
        "h.connect_command(start)\n\
         print(h.get_size())\n\
         h.pwrite(b'x' * 4096, 8192, nbd.CMD_FLAG_FUA)\n\
         assert h.pread(4096, 8192) == b'x' * 4096\n\
         h.shutdown()\n\
         del h",
    );
    let finished = finished.succeeds();
    assert_eq!(finished.stdout, "1048576\n", "nothing of ours is printed there: {finished}");
    finished.says(&["serving  standard input and output  1 MiB", "recorded t.blkr  2 requests"]);
    assert_eq!(sandbox.printed("--json t.blkr").lines().count(), 2);
    assert_eq!(sandbox.read("disk.img")[8192..12_288], [b'x'; 4096]);
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_to_be_had_there_too() {
    let sandbox = sandbox();
    crate::tls::pki(&sandbox);
    let finished = libnbd(
        &sandbox,
        "--tls-cert pki/server-cert.pem --tls-key pki/server-key.pem --tls-ca pki/ca-cert.pem",
        "h.set_tls(nbd.TLS_REQUIRE)\n\
         h.set_tls_certificates('pki')\n\
         h.connect_command(start)\n\
         assert h.get_tls_negotiated()\n\
         h.pread(65536, 0)\n\
         h.shutdown()\n\
         del h",
    );
    finished.succeeds().says(&["recorded t.blkr  1 request"]);
}

/// Talks by hand, over two pipes: reads the first 512 bytes, and then does `end`.
fn over_pipes(sandbox: &Sandbox, end: &str) -> crate::support::Finished {
    let words = [PROGRAM, "record", "disk.img", "-o", "t.blkr", "--listen", "stdio"];
    let script = format!(
        "import struct, subprocess\n\
         p = subprocess.Popen({words:?}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)\n\
         def heard(count):\n\
         \x20   data = b''\n\
         \x20   while len(data) < count:\n\
         \x20       more = p.stdout.read(count - len(data))\n\
         \x20       assert more, data\n\
         \x20       data += more\n\
         \x20   return data\n\
         assert heard(18)[:8] == b'NBDMAGIC'\n\
         p.stdin.write(struct.pack('>I8sII', 3, b'IHAVEOPT', 1, 0))\n\
         assert struct.unpack('>Q', heard(10)[:8]) == (1 << 20,)\n\
         p.stdin.write(struct.pack('>IHHQQI', 0x25609513, 0, 0, 7, 0, 512))\n\
         assert heard(16)[8:] == struct.pack('>Q', 7)\n\
         assert heard(512) == open('disk.img', 'rb').read(512)\n\
         {end}\n\
         assert p.wait(60) == 0"
    );
    python(sandbox, &script).finish()
}

#[test]
fn a_client_behind_two_pipes_is_served_and_its_end_is_the_end() {
    for end in [
        "p.stdin.close()\nassert p.stdout.read() == b''",
        "p.stdin.write(struct.pack('>IHHQQI', 0x25609513, 0, 2, 8, 0, 0))\nassert p.stdout.read() == b''",
        "p.stdout.close()\np.stdin.write(struct.pack('>IHHQQI', 0x25609513, 0, 0, 8, 0, 512))",
    ] {
        let sandbox = sandbox();
        over_pipes(&sandbox, end).succeeds().says(&["recorded t.blkr"]);
        sandbox.blkreplay("check t.blkr").finish().succeeds();
    }
}

#[test]
fn what_does_not_go_with_a_client_there_is_refused() {
    let sandbox = sandbox();
    for (line, says) in [
        ("record disk.img -o - --listen stdio", "both want standard output"),
        ("record disk.img -o t.blkr --listen stdio -- touch ran", "the client is there already"),
        ("record disk.img -o t.blkr --listen stdio", "neither a pipe nor a socket"),
        ("record disk.img -o t.blkr --listen stdin", "unix:PATH"),
    ] {
        sandbox.blkreplay(line).finish().ends_with(2).says(&["error", says]);
        assert!(!sandbox.path("ran").exists() && !sandbox.path("t.blkr").exists(), "{line}");
    }
}
