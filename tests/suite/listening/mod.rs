//! Where a recording listens when nobody gave it an address of its own: a socket that was handed over, standard input and
//! output. And how others learn that it does.

mod activation;
mod pid_file;
mod stdio;

use crate::support::{Invocation, Sandbox};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_blkreplay");

/// A sandbox with an image of a megabyte, full of something.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 41, 1 << 20);
    sandbox
}

/// A script of Python's, run by the system's own, which has the modules that Debian's packages bring.
fn python(sandbox: &Sandbox, script: &str) -> Invocation {
    sandbox.tool("/usr/bin/python3").args(["-c", script])
}
