//! nbdkit's log filter between a client and us: two recorders that know nothing of each other, one story.

use crate::clients::assert_replays;
use crate::support::Sandbox;
use crate::trace::{Tally, Trace};

const MIB: u64 = 1 << 20;

/// The words that run `script` with nbdkit between it and us. The script finds nbdkit at `$uri`, and
/// nbdkit's log is `witness.log`.
pub(super) fn behind_nbdkit(sandbox: &Sandbox, script: &str) -> String {
    let inner = sandbox.script("inner.sh", script);
    sandbox.script(
        "client.sh",
        &format!(
            "nbdkit --exit-with-parent --unix=\"$PWD/run/witness\" --filter=log nbd uri=\"$BLKREPLAY_URI\" \
             logfile=witness.log --run 'uri=\"$uri\" {inner}'"
        ),
    )
}

/// What nbdkit's log says was asked, in our words.
pub(super) fn witnessed(sandbox: &Sandbox) -> Tally {
    let log = String::from_utf8(sandbox.read("witness.log")).unwrap();
    let mut tally = Tally::new();
    for line in log.lines() {
        // 2026-11-23 08:36:11.123456 connection=1 Write id=4 offset=0x0 count=0x200 fua=0 ...
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(op) = words.iter().find_map(|word| operation(word)) else { continue };
        let number = |name: &str| {
            let text = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            text.map_or(0, |text| parse(text.trim_end_matches(',')))
        };
        let key = (op.to_owned(), number("offset"), number("count"), number("fua") == 1);
        *tally.entry(key).or_default() += 1;
    }
    assert!(!tally.is_empty(), "the witness saw something:\n{log}");
    tally
}

/// Our name for a request that nbdkit's log announces; replies begin with dots.
fn operation(word: &str) -> Option<&'static str> {
    match word {
        "Read" => Some("read"),
        "Write" => Some("write"),
        "Zero" => Some("write_zeroes"),
        "Trim" => Some("discard"),
        "Flush" => Some("flush"),
        "Cache" => Some("cache"),
        "Extents" => Some("block_status"),
        _ => None,
    }
}

fn parse(number: &str) -> u64 {
    match number.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => number.parse().unwrap(),
    }
}

#[test]
fn nbdkit_logs_the_same_requests_as_we_do() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 13, 16 * MIB);
    sandbox.copy("disk.img", "before.img");
    let client = behind_nbdkit(
        &sandbox,
        "fio --name=job --ioengine=nbd --uri=\"$uri\" --rw=randrw --bs=4k --iodepth=8 --size=2M \
            --fsync=64 --output=fio.txt
         qemu-io -f raw -c 'discard 4M 1M' -c 'write -z 6M 1M' -c 'write -f -P 7 8M 12k' -c flush \"$uri\"
         nbdcopy \"$uri\" out.img",
    );
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr --write -- {client}"))
        .finish()
        .succeeds();
    sandbox.assert_same("disk.img", "out.img");
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(trace.tally(), witnessed(&sandbox));
    assert_replays(&sandbox);
}
