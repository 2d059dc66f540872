//! `print --fields` and `--format csv`: what stands in a column is what `print --json` says in that member.

use serde_json::{Value, json};

use crate::support::Sandbox;

/// Requests of all kinds, one of which fails.
fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 4 << 20);
    let client = sandbox.script(
        "client.sh",
        "qemu-io -t writeback -f raw -c 'write -q -P 1 0 64k' -c 'write -q -f -P 2 1M 4k' -c 'write -q -z 2M 64k' \
         -c 'read -q 512 1k' -c 'discard -q 2M 1M' -c flush -c 'write -q -P 3 3M 512' \"$BLKREPLAY_URI\"",
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    sandbox
}

fn print(sandbox: &Sandbox, words: &str) -> String {
    sandbox.blkreplay(&format!("print t.blkr {words}")).finish().succeeds().stdout
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_object_has_the_members_that_were_asked_for_in_their_order() {
    let sandbox = recorded();
    let all = objects(&print(&sandbox, "--json"));
    let chosen = objects(&print(&sandbox, "--json --fields payload,lat,offset,id,flags,op"));
    assert_eq!(all.len(), chosen.len());
    for (all, chosen) in all.iter().zip(&chosen) {
        let members: Vec<_> = chosen.as_object().unwrap().keys().map(String::as_str).collect();
        let names = ["schema", "payload", "lat", "offset", "id", "flags", "op"];
        let there = names.into_iter().filter(|name| members.contains(name));
        assert_eq!(members, there.collect::<Vec<_>>(), "{chosen}");
        for (name, member) in names.into_iter().zip(["schema", "payload", "lat", "off", "id"]) {
            assert_eq!(chosen.get(name), all.get(member), "{name} of {all}");
        }
        assert_eq!(chosen.get("flags"), all.get("flags"));
    }
}

#[test]
fn a_record_of_csv_has_what_json_has() {
    let sandbox = recorded();
    let text = print(&sandbox, "--format csv");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let all = objects(&print(&sandbox, "--json"));
    assert_eq!(lines.clone().count(), all.len());
    for (line, all) in lines.zip(&all) {
        let mut said = 1;
        for (name, cell) in names.iter().zip(line.split(',')) {
            let expected = match all.get(*name) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Array(flags)) => {
                    let flags: Vec<_> = flags.iter().map(|flag| flag.as_str().unwrap()).collect();
                    flags.join(" ")
                }
                Some(value) => value.to_string(),
                None if *name == "early" => "0".to_owned(),
                None => String::new(),
            };
            assert_eq!(cell, expected, "{name} of {all}");
            said += usize::from(all.get(*name).is_some());
        }
        assert_eq!(said, all.as_object().unwrap().len(), "each member has a column: {all}");
    }
}

#[test]
fn a_cell_with_a_comma_or_a_quote_is_quoted() {
    let sandbox = Sandbox::new();
    sandbox.blank("a,\"b.img", 1 << 20);
    sandbox.script("client.sh", "qemu-io -f raw -c 'write -q 0 4k' \"$BLKREPLAY_URI\"");
    let record =
        sandbox.blkreplay("record").args(["a,\"b.img", "-o", "t.blkr", "--", "sh", "client.sh"]);
    record.finish().succeeds();
    let text = print(&sandbox, "--format csv --fields dev,op -n 1");
    assert_eq!(text, "dev,op\n\"a,\"\"b\",write\n");
}

#[test]
fn columns_of_text_stand_under_their_names() {
    let sandbox = recorded();
    let text = print(&sandbox, "--fields id,op,off,fua,zeroes,result -f !flush -n 3");
    assert_eq!(
        text,
        "     id op                    off fua zeroes result\n      \
         0 write                   0 no  no     ok\n      \
         1 write             1048576 yes no     ok\n      \
         2 write_zeroes      2097152 no  no     ok\n"
    );
    let flush = print(&sandbox, "--fields op,off,err -f flush -n 1");
    let cells: Vec<_> = flush.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells, ["flush", "-", "-"], "{flush}");
}

#[test]
fn what_came_before_is_known_wherever_printing_begins() {
    let sandbox = recorded();
    let fields = "--json --fields id,step,qd,seek,gap,never_written";
    let all = print(&sandbox, fields);
    let last: Vec<_> = all.lines().skip(4).collect();
    assert_eq!(print(&sandbox, &format!("{fields} --at #4")).lines().collect::<Vec<_>>(), last);
    let tail = print(&sandbox, &format!("{fields} --tail {}", last.len()));
    assert_eq!(tail.lines().collect::<Vec<_>>(), last);
    let all = objects(&all);
    assert!(all.iter().all(|row| row["step"].is_u64() && row["qd"].is_u64()), "{all:?}");
    assert_eq!(
        (&all[1]["seek"], &all[2]["seek"]),
        (&json!((1 << 20) - (64 << 10)), &json!(1_044_480))
    );
    let read = print(&sandbox, "--json --fields op,never_written -f read");
    assert!(!read.contains("never_written"), "the range was written: {read}");
}

#[test]
fn what_has_no_columns_is_refused() {
    let sandbox = recorded();
    for (words, said) in [
        ("--fields id,lenght", "no field is called `lenght`, did you mean `length`?"),
        ("--fields id,,op", "a name of a field is missing"),
        ("--fields ,", "a name of a field is missing"),
        ("--fields id --events", "--fields is about requests, and --events asks for events"),
        ("--format csv --folded", "--format csv is about requests, and --folded asks for events"),
        ("--fields id --format canonical", "--format canonical has its own columns"),
    ] {
        let refused = sandbox.blkreplay(&format!("print t.blkr {words}")).finish().ends_with(2);
        assert_eq!(refused.says(&[said]).stdout, "", "{words}");
    }
    sandbox.write("q.rr", &crate::qemu_logs::log("qemu/logs/q100-boot_a.rr.zst"));
    for option in ["--format csv", "--fields id"] {
        let refused = sandbox.blkreplay(&format!("print q.rr {option}")).finish().ends_with(2);
        refused.says(&["is about requests, and q.rr is a QEMU log"]);
    }
}
