//! `nbdinfo`: what the export says of itself.

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
