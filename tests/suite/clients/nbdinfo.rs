//! `nbdinfo`: what the export says of itself.

use crate::remote;
use crate::support::Sandbox;

#[test]
fn the_export_offers_what_qemu_nbd_offers() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 12, 1 << 20);
    let client = sandbox.script("client.sh", "nbdinfo --json \"$BLKREPLAY_URI\" >info.json");
    sandbox.blkreplay(&format!("record disk.img -o none --write -- {client}")).finish().succeeds();
    let info: serde_json::Value = serde_json::from_slice(&sandbox.read("info.json")).unwrap();
    assert_eq!(info["protocol"], "newstyle-fixed");
    assert_eq!(info["structured"], true);
    let export = &info["exports"][0];
    assert_eq!(export["export-size"], 1 << 20);
    for feature in ["cache", "df", "fast_zero", "flush", "fua", "multi_conn", "trim", "zero"] {
        assert_eq!(export[format!("can_{feature}")], true, "{feature}: {export}");
    }
    assert_eq!(export["is_read_only"], false);
    assert!(export["contexts"].to_string().contains("base:allocation"), "{export}");
    assert_eq!(export["block_size_minimum"], 1, "{export}");
    assert_eq!(export["block_size_maximum"], 32 << 20, "{export}");
}

#[test]
fn every_export_is_listed() {
    let sandbox = Sandbox::new();
    sandbox.blank("one.img", 1 << 20);
    sandbox.blank("two.img", 2 << 20);
    let client = sandbox.script("client.sh", "nbdinfo --list --json \"$BLKREPLAY_URI\" >list.json");
    sandbox.blkreplay(&format!("record one.img two.img -o none -- {client}")).finish().succeeds();
    let list: serde_json::Value = serde_json::from_slice(&sandbox.read("list.json")).unwrap();
    let exports = list["exports"].as_array().unwrap();
    let named = |name: &str| exports.iter().find(|export| export["export-name"] == name);
    assert_eq!(named("").unwrap()["export-size"], 1 << 20, "{list}");
    assert_eq!(named("1").unwrap()["export-size"], 2 << 20, "{list}");
}

/// What nbdinfo says of an export, but for where it is.
#[track_caller]
fn told(sandbox: &Sandbox, uri: &str) -> [serde_json::Value; 2] {
    let asked = |option: &[&str]| {
        let said = sandbox.tool("nbdinfo").args(["--json"]).args(option).args([uri]).finish();
        serde_json::from_str::<serde_json::Value>(&said.succeeds().stdout).unwrap()
    };
    let mut info = asked(&[]);
    info["exports"][0]["uri"].take();
    [info, asked(&["--map"])]
}

#[test]
fn of_one_image_the_same_is_told_as_by_qemu_nbd() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 8 << 20);
    let writes = ["-f", "raw", "-c", "write -P 1 1M 64k", "-c", "write -P 2 5M 1M", "disk.img"];
    sandbox.tool("qemu-io").args(writes).finish().succeeds();
    let server = remote::qemu_nbd(&sandbox, "--shared=8 --description=disk disk.img");
    let theirs = told(&sandbox, &server.uri);
    drop(server);
    let record = "record disk.img -o none --write --listen unix:run/s";
    let mut recording = sandbox.blkreplay(record).start();
    recording.wait_for_stderr("serving");
    let uri = format!("nbd+unix:///?socket={}", sandbox.path("run/s").display());
    let [info, map] = told(&sandbox, &uri);
    assert_eq!(info, theirs[0], "left is ours");
    assert_eq!(map, theirs[1], "left is ours");
    assert!(map.as_array().unwrap().len() >= 4, "there is something to tell: {map}");
    recording.signal(rustix::process::Signal::INT);
    recording.finish().succeeds();
}
