//! The files that a replay leaves behind, and those that it must leave alone.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use crate::replays::{SIZE, assert_holds, image_after, recorded, recorded_with};
use crate::support::Sandbox;

/// Asserts that a replay with `options` is refused with this, that the image and the trace are as they were, and that
/// no COMMAND was run.
#[track_caller]
fn refused(sandbox: &Sandbox, options: &str, said: &[&str]) {
    let (trace, image) = (sandbox.read("t.blkr"), sandbox.read("before.img"));
    let finished =
        sandbox.blkreplay(&format!("replay t.blkr {options}")).finish().ends_with(2).says(said);
    assert_eq!(finished.stdout, "");
    assert!(sandbox.read("t.blkr") == trace, "{options}: the trace was changed");
    assert_holds(sandbox, "before.img", &image);
    assert!(!sandbox.path("ran").exists(), "{options}: COMMAND was run");
}

#[test]
fn an_output_that_exists_is_left_alone_unless_forced() {
    let sandbox = recorded();
    for option in ["-o", "--output-image"] {
        sandbox.write("out", b"precious");
        refused(
            &sandbox,
            &format!("before.img {option} out"),
            &[
                "error: cannot create out: it exists\n",
                "hint: --force overwrites it; blkreplay info out shows it\n",
            ],
        );
        assert_eq!(sandbox.read("out"), b"precious");
        sandbox
            .blkreplay(&format!("replay t.blkr before.img {option} out --force"))
            .finish()
            .succeeds()
            .says(&["wrote    out  "]);
        assert_ne!(sandbox.read("out"), b"precious");
        let mode = fs::metadata(sandbox.path("out")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{option}: it holds what was on the disk");
    }
}

#[test]
fn the_image_is_written_raw_and_sparse() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 64 * SIZE);
    let client = "qemu-io -f raw -c 'write -q -P 5 1M 64k' \"$BLKREPLAY_URI\"";
    let client = sandbox.script("client.sh", client);
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    sandbox
        .blkreplay("replay t.blkr disk.img --output-image after.img")
        .finish()
        .succeeds()
        .says(&["wrote    after.img  state after the last request\n"]);
    let after = fs::metadata(sandbox.path("after.img")).unwrap();
    assert_eq!(after.len(), 64 * SIZE);
    assert!(after.blocks() * 512 < SIZE, "{} blocks", after.blocks());
    let bytes = sandbox.read("after.img");
    assert!(bytes[1 << 20..][..64 << 10].iter().all(|byte| *byte == 5));
    assert!(bytes[..1 << 20].iter().all(|byte| *byte == 0));
}

#[test]
fn what_is_read_is_never_written() {
    let sandbox = recorded_with("--payload all");
    fs::hard_link(sandbox.path("t.blkr"), sandbox.path("same.blkr")).unwrap();
    for (output, force) in
        [("t.blkr", ""), ("t.blkr", "--force"), ("./t.blkr", "--force"), ("same.blkr", "--force")]
    {
        for option in ["-o", "--output-image"] {
            refused(
                &sandbox,
                &format!("before.img {option} {output} {force}"),
                &[
                    &format!("error: {output} is the trace that is replayed\n"),
                    "hint: give what the replay writes a name of its own\n",
                ],
            );
        }
        // Where the trace answers there is no image, and as much to lose.
        refused(
            &sandbox,
            &format!("-o {output} {force} -- touch ran"),
            &["is the trace that is replayed\n"],
        );
    }
    for option in ["-o", "--output-image"] {
        refused(
            &sandbox,
            &format!("before.img {option} before.img --force"),
            &["error: the output before.img and the image before.img are one file\n"],
        );
    }
}

#[test]
fn only_regular_files_are_overwritten() {
    let sandbox = recorded();
    sandbox.tool("mkfifo").args(["pipe"]).finish().succeeds();
    symlink("before.img", sandbox.path("link")).unwrap();
    symlink("nowhere", sandbox.path("dangling")).unwrap();
    fs::create_dir(sandbox.path("folder")).unwrap();
    for name in ["pipe", "link", "dangling", "folder"] {
        for options in ["-o", "--force -o", "--output-image", "--force --output-image"] {
            let said = match name {
                "link" => "error: ".to_owned(),
                _ => format!("error: cannot overwrite {name}: it is not a regular file\n"),
            };
            refused(&sandbox, &format!("before.img {options} {name}"), &[&said]);
        }
        // The other commands that write a trace.
        for line in [
            "recover t.blkr --force -o",
            "compact t.blkr --force -o",
            "record before.img --force -o",
        ] {
            let command = if line.starts_with("record") { " -- touch ran" } else { "" };
            sandbox
                .blkreplay(&format!("{line} {name}{command}"))
                .finish()
                .ends_with(2)
                .says(&["error: "]);
        }
    }
    let kind = |name: &str| fs::symlink_metadata(sandbox.path(name)).unwrap().file_type();
    assert!(kind("pipe").is_fifo() && kind("link").is_symlink() && kind("dangling").is_symlink());
    assert!(
        kind("folder").is_dir()
            && !sandbox.path("nowhere").exists()
            && !sandbox.path("ran").exists()
    );
}

#[test]
fn an_output_must_have_a_place_and_a_name_of_its_own() {
    let sandbox = recorded();
    for option in ["-o", "--output-image"] {
        refused(
            &sandbox,
            &format!("before.img {option} nowhere/out"),
            &["error: cannot create nowhere/out: No such file or directory\n"],
        );
        refused(
            &sandbox,
            &format!("before.img {option} -"),
            &[
                "error: a replay writes to files, not to standard output\n",
                "hint: ./- is a file of that name\n",
            ],
        );
    }
    refused(
        &sandbox,
        "before.img -o out --output-image ./out",
        &["error: -o and --output-image name one file, ./out\n"],
    );
    assert!(!sandbox.path("out").exists() && !sandbox.path("-").exists());
}

#[test]
fn one_image_cannot_hold_two_disks() {
    let sandbox = recorded();
    sandbox.copy("before.img", "other.img");
    sandbox.blkreplay("record before.img other.img -o t.blkr --force -- true").finish().succeeds();
    refused(
        &sandbox,
        "before.img other.img --output-image after.img",
        &[
            "error: --output-image writes one image, and the trace has 2 devices\n",
            "hint: replay onto copies with --write\n",
        ],
    );
}

#[test]
fn without_a_word_from_the_user_no_image_is_changed() {
    let sandbox = recorded();
    let before = sandbox.read("before.img");
    sandbox.blkreplay("replay t.blkr before.img --output-image after.img").finish().succeeds();
    assert_holds(&sandbox, "before.img", &before);
    assert_holds(&sandbox, "after.img", &image_after(&sandbox, "before.img", u64::MAX));
    sandbox.blkreplay("replay t.blkr before.img --write").finish().succeeds();
    sandbox.assert_same("before.img", "disk.img");
}
