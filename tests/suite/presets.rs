//! Masks of presets against file systems and tables that real tools make: what they mask changes, and nothing else is masked.

use std::fs;

use blkreplay_core::diff::{IgnoreRule, Left, Meant, Preset, SideRules};
use blkreplay_core::event::{CompletionFlags, Payload, PayloadId};
use blkreplay_core::query::Filter;
use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Operation, Request, RequestId};
use blkreplay_core::rows::{Context, Row, RowCompletion};
use blkreplay_core::units::{ByteRange, Nanos};
use bytes::Bytes;

use crate::support::Sandbox;

/// The rules of a preset, as a side with one disk understands them.
struct Masks {
    rules: SideRules,
    meant: Meant,
}

impl Masks {
    fn of(preset: &str) -> Masks {
        let rules: Vec<IgnoreRule> = Preset::named(preset).unwrap().rules(None).unwrap();
        let understand = |text: &str| Filter::parse(text, &["disk".to_owned()]);
        let rules = SideRules::of(&rules, &understand).unwrap();
        let meant = rules.nothing_meant();
        Masks { rules, meant }
    }

    /// What is compared of a write of `data`.
    fn compared(&mut self, offset: u64, data: &[u8]) -> Payload {
        let payload = match Payload::of(data) {
            Payload::Digest(digest) => Payload::Stored(digest, PayloadId(0)),
            payload => payload,
        };
        let row = Row {
            id: RequestId(0),
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie: 0,
            request: Request {
                operation: Operation::Write,
                range: ByteRange::new(offset, data.len() as u64),
                flags: Flags::NONE,
            },
            event: 0,
            time: Nanos(0),
            early: Nanos(0),
            epoch: 0,
            payload,
            completion: Some(RowCompletion {
                result: Ok(()),
                latency: Nanos(0),
                hold: Nanos(0),
                flags: CompletionFlags::default(),
                extents: Vec::new(),
            }),
            context: Context::default(),
        };
        let whole = Bytes::copy_from_slice(data);
        let left = self.rules.count(&row, &|_| Ok(Some(whole.clone())), &mut self.meant).unwrap();
        match left {
            Left::In { payload: Payload::Stored(digest, _), .. } => Payload::Digest(digest),
            Left::In { payload, .. } => payload,
            Left::Out => panic!("a mask leaves nothing out"),
        }
    }
}

/// Of two images, where pieces begin that differ, and where those that differ behind the masks as well. Pieces are counted
/// from `start`.
fn differing(
    (one, other): (&[u8], &[u8]),
    masks: &mut Masks,
    start: usize,
    piece: usize,
) -> (Vec<usize>, Vec<usize>) {
    assert_eq!(one.len(), other.len());
    let (mut differ, mut left) = (Vec::new(), Vec::new());
    for (place, (one, other)) in
        one[start..].chunks(piece).zip(other[start..].chunks(piece)).enumerate()
    {
        if one != other {
            let offset = start + place * piece;
            differ.push(offset);
            if masks.compared(offset as u64, one) != masks.compared(offset as u64, other) {
                left.push(offset);
            }
        }
    }
    (differ, left)
}

/// Makes `base.img` and `new.img`, of so many bytes, with one command each, and gives their bytes.
fn images(sandbox: &Sandbox, size: u64, make: impl Fn(&str)) -> (Vec<u8>, Vec<u8>) {
    for name in ["base.img", "new.img"] {
        sandbox.blank(name, size);
        make(name);
    }
    (sandbox.read("base.img"), sandbox.read("new.img"))
}

const UUID: &str = "11111111-1111-1111-1111-111111111111";

fn mkfs_ext4(sandbox: &Sandbox, image: &str, block: &str, time: &str) {
    let seed = format!("hash_seed={UUID}");
    let arguments = ["-q", "-F", "-b", block, "-U", UUID, "-E", &seed, image];
    sandbox.tool("mkfs.ext4").env("E2FSPROGS_FAKE_TIME", time).args(arguments).finish().succeeds();
}

fn debugfs(sandbox: &Sandbox, image: &str, requests: &str, time: &str) {
    sandbox.write("requests", requests.as_bytes());
    sandbox
        .tool("debugfs")
        .env("E2FSPROGS_FAKE_TIME", time)
        .args(["-w", "-f", "requests", image])
        .finish()
        .succeeds();
}

#[test]
fn superblocks_of_ext4_and_their_copies_are_the_same_whenever_they_were_made() {
    for (block, copies) in [("1024", 5), ("4096", 1)] {
        let sandbox = Sandbox::new();
        let (base, new) = images(&sandbox, 160 << 20, |image| {
            let time = if image == "base.img" { "1700000000" } else { "1800000001" };
            mkfs_ext4(&sandbox, image, block, time);
        });
        let has_superblock = |offset: &usize| base[offset + 0x38..offset + 0x3a] == [0x53, 0xef];
        let mut masks = Masks::of("ext4-times");
        let (differ, left) = differing((&base, &new), &mut masks, 0, 1024);
        let superblocks =
            |places: &[usize]| places.iter().filter(|place| has_superblock(place)).count();
        assert!(superblocks(&differ) > copies, "{block}: {}", superblocks(&differ));
        assert_eq!(superblocks(&left), 0, "{block}");
        assert!(!left.is_empty(), "times of inodes are none of the preset's");
        assert_eq!(masks.meant.by_rule[0], 2 * superblocks(&differ) as u64, "{block}");
    }
}

#[test]
fn every_time_of_a_superblock_is_masked_and_nothing_beside_them() {
    let sandbox = Sandbox::new();
    let (base, mut new) =
        images(&sandbox, 16 << 20, |image| mkfs_ext4(&sandbox, image, "1024", "1700000000"));
    assert!(base == new, "what a fixed time, UUID and seed are for");
    let times = ["mtime", "wtime", "lastcheck", "mkfs_time", "first_error_time", "last_error_time"];
    let mut expected = Vec::new();
    for (place, time) in times.into_iter().enumerate() {
        let now = format!("{}", 1_700_000_001 + place);
        debugfs(&sandbox, "new.img", &format!("ssv {time} 20330518033320\n"), &now);
        let changed = sandbox.read("new.img");
        assert!(new != changed, "{time}");
        new = changed;
        // As a larger write has it, from the first byte of the disk on.
        let mut masks = Masks::of("ext4-times");
        let (differ, left) = differing((&base, &new), &mut masks, 0, 64 << 10);
        assert_eq!((differ.as_slice(), left.as_slice()), (&[0][..], &[][..]), "{time}");
        expected.push(masks.meant.by_rule[0]);
    }
    assert_eq!(expected, [2; 6]);
    debugfs(&sandbox, "new.img", "ssv max_mnt_count 77\n", "1700000009");
    let (_, left) =
        differing((&base, &sandbox.read("new.img")), &mut Masks::of("ext4-times"), 0, 1024);
    assert_eq!(left, [1024], "how often it is mounted before a check is no time");
}

#[test]
fn a_commit_of_the_journal_is_the_same_whenever_it_was_written() {
    let sandbox = Sandbox::new();
    sandbox.write("block", &[7; 4096]);
    let (base, new) = images(&sandbox, 64 << 20, |image| {
        mkfs_ext4(&sandbox, image, "4096", "1700000000");
        let time = if image == "base.img" { "1700000000" } else { "1800000001" };
        debugfs(&sandbox, image, "jo\njw -b 1000 block\njc\n", time);
    });
    let mut masks = Masks::of("ext4-times");
    let (differ, left) = differing((&base, &new), &mut masks, 0, 4096);
    let is_commit =
        |offset: &usize| base[*offset..offset + 8] == [0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 2];
    assert_eq!(differ.iter().filter(|offset| is_commit(offset)).count(), 1, "{differ:x?}");
    assert_eq!(left.iter().filter(|offset| is_commit(offset)).count(), 0);
    let magic = |offset: &usize| base[offset + 1024 + 0x38..][..2] == [0x53, 0xef];
    assert!(left.iter().all(|offset| !magic(offset)), "{left:x?}");
}

/// Where the log of an XFS lies (`sb_logstart`, in blocks of an allocation group; `sb_logblocks`), in bytes.
fn xfs_log(image: &[u8]) -> (usize, usize) {
    let number = |at: usize| u32::from_be_bytes(image[at..at + 4].try_into().unwrap()) as usize;
    let start = u64::from_be_bytes(image[48..56].try_into().unwrap());
    let (block, blocks_of_group, log_blocks) = (number(4), number(84), number(96));
    let shift = u32::from(image[124]);
    let (group, within) = (start >> shift, start & ((1 << shift) - 1));
    let place =
        usize::try_from(group).unwrap() * blocks_of_group + usize::try_from(within).unwrap();
    (place * block, log_blocks * block)
}

#[test]
fn records_of_the_log_of_xfs_are_the_same_in_whichever_cycle_they_were_written() {
    let sandbox = Sandbox::new();
    let uuid = format!("uuid={UUID}");
    let (base, new) = images(&sandbox, 320 << 20, |image| {
        sandbox.tool("mkfs.xfs").args(["-q", "-m", &uuid, image]).finish().succeeds();
        // What was written last is ahead of the log, so that it is made again, three cycles later.
        let number = if image == "base.img" { "0x500000000" } else { "0x900000000" };
        let write = format!("write lsn {number}");
        sandbox.tool("xfs_db").args(["-x", "-c", "agf 0", "-c", &write, image]).finish().succeeds();
        sandbox.tool("xfs_repair").args([image]).finish().succeeds();
    });
    let (start, length) = xfs_log(&base);
    assert_eq!((start, length), xfs_log(&new));
    assert_eq!(base[start..start + 8], [0xfe, 0xed, 0xba, 0xbe, 0, 0, 0, 8]);
    assert_eq!(new[start..start + 8], [0xfe, 0xed, 0xba, 0xbe, 0, 0, 0, 12]);
    let log = |image: &[u8]| image[..start + length].to_vec();
    let mut masks = Masks::of("xfs-log-cycle");
    let logs = (log(&base), log(&new));
    let (differ, left) = differing((&logs.0, &logs.1), &mut masks, start, 256 << 10);
    assert!(differ.len() > 10, "{} records", differ.len());
    assert!(left.is_empty(), "{left:x?} of {start:x} and {length}");
    let mut other = logs.1.clone();
    other[start + 0x28 + 3] ^= 1;
    let (_, left) = differing((&logs.0, &other), &mut masks, start, 256 << 10);
    assert_eq!(left, [start], "how many operations are in a record is no cycle");
}

/// What `btrfs inspect-internal dump-super` says of generations, in its order.
fn generations(dump: &str) -> Vec<u64> {
    let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse().ok());
    let of_line = |line: &str| match line.split_once("gen:") {
        Some((_, number_and_more)) => number(number_and_more),
        None => {
            line.split_once("generation").and_then(|(_, number_and_more)| number(number_and_more))
        }
    };
    dump.lines().filter_map(of_line).collect()
}

#[test]
fn generations_and_checksums_of_btrfs_are_where_its_own_tool_says() {
    let sandbox = Sandbox::new();
    sandbox.blank("base.img", 128 << 20);
    sandbox.tool("mkfs.btrfs").args(["-q", "-f", "base.img"]).finish().succeeds();
    let dump = ["inspect-internal", "dump-super", "-f", "base.img"];
    let said = generations(&sandbox.tool("btrfs").args(dump).finish().succeeds().stdout);
    let image = sandbox.read("base.img");
    let superblock = &image[64 << 10..68 << 10];
    // generation, chunk_root_generation, cache_generation, uuid_tree_generation, dev_item.generation, and those of the backups.
    let mut places = vec![0x48, 0xa4, 0x22b, 0x233, 0xf5];
    places
        .extend((0..4).flat_map(|root| (0..6).map(move |tree| 0xb2b + 168 * root + 8 + 16 * tree)));
    let found =
        |place: &usize| u64::from_le_bytes(superblock[*place..place + 8].try_into().unwrap());
    assert_eq!(places.iter().map(found).collect::<Vec<_>>(), said);
    assert!(said[0] > 1 && said.iter().filter(|number| **number > 0).count() > 20, "{said:?}");
    let mut masks = Masks::of("btrfs-generation");
    let mut erased = superblock.to_vec();
    erased[..0x20].fill(0);
    for place in &places {
        erased[*place..place + 8].fill(0);
    }
    assert_eq!(masks.compared(64 << 10, superblock), Payload::of(&erased));

    let fsid = &superblock[0x20..0x30];
    let blocks = image
        .chunks(16 << 10)
        .filter(|block| &block[0x20..0x30] == fsid && block[0x40..0x48] != *b"_BHRfS_M");
    let mut trees = 0;
    for block in blocks {
        let generation = u64::from_le_bytes(block[0x50..0x58].try_into().unwrap());
        assert!((1..=said[0]).contains(&generation), "{generation} of {}", said[0]);
        let mut erased = block.to_vec();
        erased[..0x20].fill(0);
        erased[0x50..0x58].fill(0);
        // A first block of a larger write, which has a whole one behind it.
        assert_eq!(masks.compared(1 << 20, block), Payload::of(&erased));
        trees += 1;
    }
    assert!(trees > 10, "{trees} blocks of trees");
}

#[test]
fn names_of_disks_and_partitions_of_a_gpt_are_masked_in_both_tables() {
    const TYPES: [&str; 14] = [
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
        "21686148-6449-6E6F-744E-656564454649",
        "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
        "E6D6D379-F507-44C2-A23C-238F2A3DF928",
        "A19D880F-05FC-4D3B-A006-743F0F84911E",
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
        "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
        "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC",
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        "933AC7E1-2EB4-4F13-B844-0E14E2AEF915",
        "BC13C2FF-59E6-4262-A352-B275FD6F7172",
        "CA7D7CCB-63ED-4C53-861C-1742536059CC",
    ];
    let sandbox = Sandbox::new();
    let (base, new) = images(&sandbox, 64 << 20, |image| {
        let mut sgdisk = sandbox.tool("sgdisk");
        for (number, name) in (1..).zip(TYPES) {
            sgdisk = sgdisk.args([format!("-n{number}:0:+1M"), format!("-t{number}:{name}")]);
        }
        sgdisk.args([image]).finish().succeeds();
    });
    for piece in [512, 1 << 20] {
        let mut masks = Masks::of("gpt-uuid");
        let (differ, left) = differing((&base, &new), &mut masks, 0, piece);
        assert!(differ.len() >= 2, "{differ:x?}");
        assert!(left.is_empty(), "{left:x?} of {differ:x?}");
    }
    sandbox.tool("sgdisk").args(["-c3:other", "new.img"]).finish().succeeds();
    let other = fs::read(sandbox.path("new.img")).unwrap();
    let (_, left) = differing((&base, &other), &mut Masks::of("gpt-uuid"), 0, 512);
    assert_eq!(left.len(), 2, "a label is not random: {left:x?}");
}

#[test]
fn a_superblock_inside_of_larger_writes_is_masked_in_recordings_and_the_preset_is_learned() {
    let sandbox = Sandbox::new();
    mkfs_of_two_times(&sandbox);
    for (image, trace) in [("base.img", "base.blkr"), ("new.img", "new.blkr")] {
        sandbox.blank("disk.img", 16 << 20);
        let convert = format!("qemu-img convert -n -f raw -O raw {image} \"$BLKREPLAY_URI\"");
        let client = sandbox.script("client.sh", &convert);
        sandbox.blkreplay(&format!("record disk.img -o {trace} -- {client}")).finish().succeeds();
    }
    let diff =
        |words: &str| sandbox.blkreplay(&format!("diff base.blkr new.blkr {words}")).finish();
    let writes = sandbox.printed("base.blkr -f write&&off<4k&&len>4k -n 1");
    assert!(!writes.is_empty(), "the superblock lies in a larger write");
    let told = diff("").ends_with(1).stdout;
    assert!(told.contains("--preset ext4-times masks all of it"), "{told}");
    diff("--preset ext4-times").ends_with(0);
    for align in ["order", "key", "conflict", "state"] {
        diff(&format!("--align {align} --preset ext4-times")).ends_with(0);
    }
    let learned = diff("--learn").ends_with(0).stdout;
    assert!(learned.ends_with("\n[diff]\npreset = [\"ext4-times\"]\n"), "{learned}");
    sandbox.write("blkreplay.toml", learned.as_bytes());
    diff("").ends_with(0);
}

/// Two images that differ in times of superblocks alone.
fn mkfs_of_two_times(sandbox: &Sandbox) {
    sandbox.blank("base.img", 16 << 20);
    mkfs_ext4(sandbox, "base.img", "1024", "1700000000");
    sandbox.copy("base.img", "new.img");
    debugfs(sandbox, "new.img", "ssv mtime 20330518033320\n", "1800000000");
}
