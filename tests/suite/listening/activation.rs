//! Socket activation: systemd's protocol, by libnbd, which has it too, and by hand.

use super::{PROGRAM, python, sandbox};
use crate::support::{Finished, Sandbox, wait_for};

/// Binds a socket and becomes the program, with the socket as descriptor 3; `socket` makes `s`.
fn handed(sandbox: &Sandbox, socket: &str, count: &str, arguments: &str) -> Finished {
    let words: Vec<&str> = [PROGRAM].into_iter().chain(arguments.split_whitespace()).collect();
    let script = format!(
        "import os, socket\n\
         {socket}\n\
         os.dup2(s.fileno(), 3)\n\
         os.set_inheritable(3, True)\n\
         os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{count}', LISTEN_FDNAMES='nbd')\n\
         os.execv({words:?}[0], {words:?})"
    );
    python(sandbox, &script).finish()
}

const UNIX: &str = "s = socket.socket(socket.AF_UNIX); s.bind('d.sock'); s.listen()";

const TCP: &str = "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()";

/// Fails if COMMAND sees what was meant for us.
const CLIENT: &str = "test -z \"${LISTEN_PID-}${LISTEN_FDS-}${LISTEN_FDNAMES-}\"
    nbdcopy \"$BLKREPLAY_URI\" out.img";

#[test]
fn libnbd_starts_a_recording_and_hands_it_its_socket() {
    let sandbox = sandbox();
    let copy = ["--", "[", PROGRAM, "record", "disk.img", "-o", "t.blkr", "]", "out.img"];
    sandbox.tool("nbdcopy").args(copy).finish().succeeds();
    sandbox.assert_same("disk.img", "out.img");
    // It is ended by SIGTERM when libnbd goes, and is not waited for.
    wait_for("a whole trace", || {
        let checked = sandbox.blkreplay("check t.blkr").finish();
        (checked.code() == Some(0)).then_some(())
    });
    sandbox.blkreplay("replay t.blkr disk.img").finish().succeeds();
}

#[test]
fn a_recording_that_libnbd_has_started_lists_its_exports_before_one_is_chosen() {
    let sandbox = sandbox();
    sandbox.blank("two.img", 2 << 20);
    let words = [PROGRAM, "record", "disk.img", "two.img", "-o", "t.blkr", "--write"];
    let script = format!(
        "import nbd\n\
         h = nbd.NBD()\n\
         h.set_opt_mode(True)\n\
         h.connect_systemd_socket_activation({words:?})\n\
         names = []\n\
         h.opt_list(lambda name, description: names.append((name, description)))\n\
         assert names == [('', 'disk'), ('1', 'two')], names\n\
         h.set_export_name('1')\n\
         h.opt_go()\n\
         assert h.get_size() == 2 << 20\n\
         h.pwrite(b'activated', 512, nbd.CMD_FLAG_FUA)\n\
         h.shutdown()"
    );
    python(&sandbox, &script).finish().succeeds();
    wait_for("a whole trace", || {
        let checked = sandbox.blkreplay("check t.blkr").finish();
        (checked.code() == Some(0)).then_some(())
    });
    assert_eq!(sandbox.printed("--json t.blkr").lines().count(), 1);
    assert_eq!(sandbox.read("two.img")[512..521], *b"activated");
}

#[test]
fn a_unix_socket_and_a_port_are_served_and_a_command_finds_them() {
    for (socket, scheme) in [(UNIX, "nbd+unix:///?socket=/"), (TCP, "nbd://127.0.0.1:")] {
        let sandbox = sandbox();
        let client = sandbox.script("client.sh", &format!("{CLIENT}\necho \"$BLKREPLAY_URI\""));
        let recorded =
            handed(&sandbox, socket, "1", &format!("record disk.img -o t.blkr -- {client}"));
        let recorded = recorded.succeeds();
        assert!(recorded.stdout.starts_with(scheme), "{recorded}");
        sandbox.assert_same("disk.img", "out.img");
        // The path was made by somebody else, who may go on with it.
        assert_eq!(sandbox.path("d.sock").exists(), socket == UNIX);
    }
}

#[test]
fn a_socket_without_a_path_is_no_place_for_a_command() {
    let sandbox = sandbox();
    let socket =
        "s = socket.socket(socket.AF_UNIX); s.bind(b'\\0blkr' + os.urandom(8)); s.listen()";
    handed(&sandbox, socket, "1", "record disk.img -o t.blkr -- touch ran")
        .ends_with(2)
        .says(&["no path by which COMMAND could find it", "hint"]);
    assert!(!sandbox.path("ran").exists());
}

#[test]
fn what_is_handed_over_and_cannot_be_served_is_refused() {
    let pair = "s, t = socket.socketpair()";
    let bound = "s = socket.socket(); s.bind(('127.0.0.1', 0))";
    let datagram = "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)";
    let file = "s = open('disk.img')";
    let anywhere = "s = socket.socket(); s.bind(('0.0.0.0', 0)); s.listen()";
    let no_socket = "descriptor 3, which was handed over, is no listening socket";
    for (socket, count, says) in [
        (pair, "1", no_socket),
        (bound, "1", no_socket),
        (datagram, "1", no_socket),
        (file, "1", no_socket),
        (UNIX, "2", "2 sockets were handed over (LISTEN_FDS); a recording has one"),
        (TCP, "99999999999", "99999999999 sockets were handed over"),
        (TCP, "many", "LISTEN_FDS=many is no number of sockets"),
        (anywhere, "1", "--allow-plaintext"),
    ] {
        let sandbox = sandbox();
        handed(&sandbox, socket, count, "record disk.img -o t.blkr -- touch ran")
            .ends_with(2)
            .says(&["error", says, "hint"]);
        assert!(!sandbox.path("ran").exists() && !sandbox.path("t.blkr").exists(), "{socket}");
    }
}

#[test]
fn one_place_is_enough() {
    let sandbox = sandbox();
    handed(&sandbox, UNIX, "1", "record disk.img -o t.blkr --listen unix:e.sock -- touch ran")
        .ends_with(2)
        .says(&["--listen unix:e.sock, and a socket was handed over", "hint"]);
    assert!(!sandbox.path("ran").exists() && !sandbox.path("e.sock").exists());
}

#[test]
fn what_was_meant_for_another_process_is_not_looked_at() {
    let sandbox = sandbox();
    let client = sandbox.script("client.sh", CLIENT);
    for (pid, count) in [("1", "1"), ("1", "nonsense"), ("", "1"), ("nonsense", "1")] {
        sandbox
            .blkreplay(&format!("record disk.img -o none -- {client}"))
            .env("LISTEN_PID", pid)
            .env("LISTEN_FDS", count)
            .env("LISTEN_FDNAMES", "nbd")
            .finish()
            .succeeds();
        sandbox.assert_same("disk.img", "out.img");
    }
}
