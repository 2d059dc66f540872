//! Trackers against what the definitions say, looked up slowly in all events, over random traces.

use super::*;

/// A generator of noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Requests of few kinds on few blocks, in any order, some of which fail.
fn random(seed: u64) -> Script {
    let mut noise = Noise(seed);
    let mut script = Script::default();
    let mut open: Vec<(u64, Operation)> = Vec::new();
    let mut next = 0;
    for _ in 0..80 {
        let most = 1 + seed % 4;
        if noise.below(2) == 0 && (open.len() as u64) < most {
            let op =
                [Read, Read, W, W, WriteZeroes, Flush][usize::try_from(noise.below(6)).unwrap()];
            let (offset, length) = (noise.below(3) * 512, (1 + noise.below(2)) * 512);
            let (offset, length) = if op == Flush { (0, 0) } else { (offset, length) };
            let value = u8::try_from(1 + noise.below(2)).unwrap();
            let durable = op.modifies() && noise.below(3) == 0;
            let flags = if durable { Flags::FUA } else { Flags::NONE };
            let request = Request { operation: op, range: ByteRange::new(offset, length), flags };
            let payload = if op == W { data(value) } else { Payload::Absent };
            script.issue_on(0, next, request, payload);
            open.push((next, op));
            next += 1;
        } else if !open.is_empty() {
            let (id, op) = open.remove(usize::try_from(noise.below(open.len() as u64)).unwrap());
            let result = if noise.below(8) == 0 { EIO } else { Ok(()) };
            let value = u8::try_from(noise.below(3)).unwrap();
            let payload = if op == Read && result.is_ok() { data(value) } else { Payload::Absent };
            script.block(id, result, payload);
        }
    }
    for (id, _) in open {
        script.block(id, Ok(()), Payload::Absent);
    }
    script
}

/// A request with the places of its issue and its completion.
#[derive(Debug, Clone)]
struct Life {
    id: RequestId,
    request: Request,
    written: Payload,
    read: Payload,
    ok: bool,
    from: usize,
    to: usize,
}

fn lives(script: &Script) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for (place, (_, event)) in script.events.iter().enumerate() {
        match &event.kind {
            EventKind::Issue(issue) => lives.push(Life {
                id: issue.id,
                request: issue.request,
                written: match issue.request.operation {
                    WriteZeroes => Payload::Zeroes,
                    _ => issue.payload,
                },
                read: Payload::Absent,
                ok: false,
                from: place,
                to: usize::MAX,
            }),
            EventKind::Block(block) => {
                let life = lives.iter_mut().find(|life| life.id == block.id).unwrap();
                (life.to, life.ok, life.read) = (place, block.result.is_ok(), block.payload);
            }
            _ => {}
        }
    }
    lives
}

fn ids(script: &Script, name: &str) -> Vec<RequestId> {
    let found = script.found();
    let mut ids: Vec<_> =
        found.iter().filter(|one| one.rule.name == name).filter_map(|one| one.request).collect();
    ids.sort();
    ids
}

/// Holds the findings of one rule against a definition, and sees that there are some.
fn against(name: &str, is: impl Fn(&[Life], &Life) -> bool) {
    let mut all = 0;
    for seed in 0..600 {
        let script = random(seed);
        let lives = lives(&script);
        let expected: Vec<_> =
            lives.iter().filter(|life| is(&lives, life)).map(|life| life.id).collect();
        assert_eq!(ids(&script, name), expected, "{name}, seed {seed}");
        all += expected.len();
    }
    assert!(all > 100, "{name} is tried: {all}");
}

#[test]
fn overlaps_are_those_of_the_definition() {
    against("overlap", |lives, one| {
        lives.iter().any(|other| {
            let modifies = one.request.operation.modifies() || other.request.operation.modifies();
            other.from < one.from
                && other.to > one.from
                && modifies
                && one.request.range.overlaps(other.request.range)
        })
    });
}

/// Whether it changes data, and is durable by itself.
fn is_durable(life: &Life) -> bool {
    life.request.operation.modifies() && life.request.flags.contains(Flags::FUA)
}

/// Whether a flush that was complete when `one` was issued covers all that was by then, and needs one.
fn is_covered(lives: &[Life], one: &Life) -> bool {
    let mut needs = lives.iter().filter(|life| needs_flush(life) && life.to < one.from);
    let flushes = lives.iter().filter(|life| life.request.operation == Flush && life.ok);
    let last = flushes.filter(|flush| flush.to < one.from).map(|flush| flush.from).max();
    last.is_some_and(|last| needs.all(|write| write.to < last))
}

/// What failed may have been done all the same, and is not durable.
fn needs_flush(life: &Life) -> bool {
    life.request.operation.modifies() && !(is_durable(life) && life.ok)
}

#[test]
fn redundant_flushes_are_those_of_the_definition() {
    against("redundant-flush", |lives, one| {
        let mut others = lives.iter().filter(|life| life.request.operation.modifies());
        one.request.operation == Flush
            && others.all(|write| is_durable(write) || write.from > one.from || write.to < one.from)
            && is_covered(lives, one)
    });
}

#[test]
fn flushes_behind_fua_are_those_of_the_definition() {
    against("flushed-fua", |lives, one| {
        let counts = |life: &&Life| life.request.operation != Read && life.from < one.from;
        // What happened last: a flush was asked, or data were asked to change or were changed.
        let last = lives.iter().filter(counts).flat_map(|life| {
            let changed = life.to < one.from && life.request.operation != Flush;
            [Some((life.from, false)), changed.then_some((life.to, is_durable(life) && life.ok))]
        });
        one.request.operation == Flush
            && last.flatten().max().is_some_and(|(_, is_durable)| is_durable)
            && lives.iter().any(|life| needs_flush(life) && life.to < one.from)
            && !is_covered(lives, one)
    });
}

#[test]
fn what_is_rewritten_is_that_of_the_definition() {
    against("rewritten", |lives, one| {
        let epoch = |life: &Life| {
            lives.iter().filter(|f| f.request.operation == Flush && f.to < life.from).count()
        };
        let counts = |life: &&Life| {
            life.request.operation.modifies()
                && life.ok
                && life.request.range == one.request.range
                && epoch(life) == epoch(one)
                && life.from <= one.from
        };
        one.ok && one.request.operation.modifies() && lives.iter().filter(counts).count() == 3
    });
}

/// Whether something that modifies was in flight together with this request, on bytes of it.
fn disturbed(lives: &[Life], one: &Life) -> bool {
    lives.iter().any(|other| {
        other.id != one.id
            && other.request.operation.modifies()
            && other.request.range.overlaps(one.request.range)
            && other.from < one.to
            && other.to > one.from
    })
}

/// The last that was to change a range before the end of a read, if it did so for certain and is done.
fn writer<'a>(lives: &'a [Life], range: ByteRange, read: &Life) -> Option<&'a Life> {
    let touching = lives.iter().filter(|life| {
        life.request.operation.modifies()
            && life.request.range.overlaps(range)
            && life.from < read.to
    });
    let last = touching.max_by_key(|life| life.from)?;
    (last.ok && last.to < read.from && !disturbed(lives, last)).then_some(last)
}

#[test]
fn reads_that_differ_are_those_of_the_definition() {
    let several = std::cell::Cell::new(0);
    against("read-differs", |lives, read| {
        let range = read.request.range;
        if read.request.operation != Read || !read.ok || disturbed(lives, read) {
            return false;
        }
        // Blocks are what offsets and lengths are made of.
        let blocks = (range.offset..range.end()).step_by(512).map(|at| ByteRange::new(at, 512));
        let writers: Option<Vec<_>> = blocks.map(|block| writer(lives, block, read)).collect();
        let Some(writers) = writers else { return false };
        let exact = writers.iter().all(|one| one.id == writers[0].id && one.request.range == range);
        let zeroes = writers.iter().all(|one| one.written == Payload::Zeroes);
        let differs = (exact || zeroes) && writers[0].written.differs(&read.read);
        several.set(several.get() + usize::from(differs && !exact));
        differs
    });
    assert!(several.get() > 20, "zeroes of several, or a part of them: {}", several.get());
}
