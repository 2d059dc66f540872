//! Options that make no sense, alone or together: what is said, word for word.

use crate::replays::recorded;

/// The arguments, and what is said first.
const REFUSED: &[(&str, &str)] = &[
    (
        "",
        "a replay needs an image, or a COMMAND to run again\n  hint: blkreplay replay t.blkr IMAGE\n  hint: blkreplay replay t.blkr -- COMMAND\n",
    ),
    ("before.img before.img", "the trace has 1 device (disk), and 2 images are given\n"),
    (
        "before.img --order sideways",
        "invalid value 'sideways' for '--order <ORDER>'\n  [possible values: recorded, conflict, none]\n",
    ),
    (
        "before.img --timing soon",
        "invalid value 'soon' for '--timing <asap|recorded|scaled=Nx>': write asap, recorded, or scaled=2x for twice as fast\n",
    ),
    (
        "before.img --timing scaled=0x",
        "invalid value 'scaled=0x' for '--timing <asap|recorded|scaled=Nx>': write asap, recorded, or scaled=2x for twice as fast\n",
    ),
    (
        "before.img --timing scaled=2xx",
        "invalid value 'scaled=2xx' for '--timing <asap|recorded|scaled=Nx>': write asap, recorded, or scaled=2x for twice as fast\n",
    ),
    (
        "before.img --max-slip p99=1ms",
        "--max-slip needs times to be late for\n  hint: add --timing recorded, or --timing scaled=2x\n",
    ),
    (
        "before.img --timing recorded --max-slip p98=1ms",
        "invalid value 'p98=1ms' for '--max-slip <p50|p90|p99|max=TIME>': write p50, p90, p99 or max, =, and a time, such as p99=1ms\n",
    ),
    (
        "before.img --timing recorded --max-slip max=1",
        "invalid value 'max=1' for '--max-slip <p50|p90|p99|max=TIME>': `1` is not a time; write a number with ns, us, ms, s, m or h, such as 1.5s\n",
    ),
    ("before.img --depth 0", "invalid value '0' for '--depth <N>': 0 is not in 1..=1048576\n"),
    (
        "before.img --until soon",
        "invalid value 'soon' for '--until <POSITION>': `soon` is no position; write #123, event:123, 1.5s, flush:3, flush:NAME/3, mark:NAME or end\n",
    ),
    (
        "before.img --fill ones",
        "invalid value 'ones' for '--fill <zero|random>'\n  [possible values: zero, random]\n",
    ),
    (
        "before.img --on-divergence panic",
        "invalid value 'panic' for '--on-divergence <WHAT>'\n  [possible values: stop, report]\n",
    ),
    (
        "before.img --patience 10",
        "invalid value '10' for '--patience <TIME>': `10` is not a time; write a number with ns, us, ms, s, m or h, such as 1.5s\n",
    ),
    (
        "before.img --write --output-image out",
        "the argument '--write' cannot be used with '--output-image <FILE>'\n",
    ),
    (
        "before.img --window 5",
        "the following required arguments were not provided:\n  <COMMAND>...\n",
    ),
    (
        "before.img --order none -- touch ran",
        "--order none is for replays on images: a client has its own\n  hint: --order conflict lets requests that do not conflict go ahead\n",
    ),
    (
        "before.img --fill zero -- touch ran",
        "--fill is for replays on images: a client brings its own data\n",
    ),
    (
        "before.img --depth 4 -- touch ran",
        "the argument '--depth <N>' cannot be used with '[COMMAND]...'\n",
    ),
    (
        "before.img --dry-run -- touch ran",
        "the argument '--dry-run' cannot be used with '[COMMAND]...'\n",
    ),
    (
        "before.img --timing recorded --max-slip p99=1s -- touch ran",
        "the argument '--max-slip <p50|p90|p99|max=TIME>' cannot be used with '[COMMAND]...'\n",
    ),
    (
        "before.img --window 0 -- touch ran",
        "invalid value '0' for '--window <N>': 0 is not in 1..=1000000\n",
    ),
    ("--write -- touch ran", "--write and --output-image need an image\n"),
    ("--output-image out -- touch ran", "--write and --output-image need an image\n"),
];

#[test]
fn what_makes_no_sense_is_refused_in_words_that_say_what_would() {
    let sandbox = recorded();
    let before = sandbox.read("before.img");
    for (arguments, said) in REFUSED {
        let finished =
            sandbox.blkreplay(&format!("replay t.blkr {arguments}")).finish().ends_with(2);
        let error = format!("error: {said}");
        assert!(finished.stderr.starts_with(&error), "{error:?} was expected: {finished}");
        assert_eq!(finished.stdout, "", "{finished}");
    }
    assert!(sandbox.read("before.img") == before, "an image was changed");
    assert!(!sandbox.path("ran").exists(), "a COMMAND was run");
    assert!(!sandbox.path("out").exists(), "something was written");
}

#[test]
fn a_trace_without_the_data_of_its_reads_needs_an_image_to_answer_a_client() {
    let sandbox = recorded();
    sandbox.blkreplay("replay t.blkr -- touch ran").finish().ends_with(2).says(&[
        "error: cannot replay t.blkr: event ",
        "read #3 of 65536 bytes at 0 has no data in the trace\n",
        "hint: give an IMAGE as it was before the recording\n",
        "hint: record with --payload all, to keep what is read\n",
    ]);
    assert!(!sandbox.path("ran").exists(), "a COMMAND was run");
}
