//! Every upper bound in one place, so that no number from a file or a peer sizes an allocation unchecked.
//!
//! Knows no formats. Invariant: the bounds fit each other, which the compiler checks below.

/// Longest data a single request may carry, in bytes (64 MiB). Twice the NBD default of 32 MiB, because
/// real clients exceed that.
pub const REQUEST_DATA_BYTES_MAX: u32 = 64 << 20;

/// Longest string in the NBD handshake, in bytes (proto.md, "Values": strings are at most 4096 bytes).
pub const NBD_STRING_BYTES_MAX: usize = 4096;

/// Longest data of one handshake option, in bytes: an export name and a page of meta context queries.
pub const NBD_OPTION_BYTES_MAX: usize = 64 << 10;

/// Requests of one connection that may be in flight before the front stops reading its socket.
pub const CONNECTION_REQUESTS_MAX: usize = 1024;

/// Bytes of data of one connection (received or to be sent) before the front stops reading its socket.
/// One request may exceed it alone, when nothing else of that connection is in flight.
pub const CONNECTION_BYTES_MAX: u64 = REQUEST_DATA_BYTES_MAX as u64;

/// Connections served at once; further ones are closed as they come.
pub const CONNECTIONS_MAX: usize = 128;

/// Exports that a server may list to be told of, by name.
pub const NBD_LISTED_MAX: usize = 256;

/// Requests that one connection has with a server of ours to be recorded, before more wait here.
pub const REMOTE_REQUESTS_MAX: usize = 256;

/// Pieces apart from one another in which the answer to one read may come, and errors in one answer.
pub const READ_PIECES_MAX: usize = 4096;

/// Extents in one block status reply or `block` event.
pub const EXTENTS_MAX: usize = 4096;

/// Ranges that an overlay tells apart (about 64 bytes of memory each); a change that needs more is ENOSPC.
pub const OVERLAY_PIECES_MAX: usize = 1 << 24;

/// Images behind one another: a qcow2 image, its backing file, that one's, and so on.
pub const BACKING_CHAIN_MAX: usize = 32;

/// Images in one recording: a device number is 16 bits.
pub const DEVICES_MAX: usize = 1024;

/// Events wait in memory for the log's thread up to this many bytes; then those who issue wait too. A kill costs
/// what waits, so it is no more than one chunk. A request that is larger waits alone.
pub const LOG_BACKLOG_BYTES_MAX: u64 = PAYLOAD_CHUNK_BYTES as u64;

/// An events chunk is closed at this size, in bytes (before compression).
pub const EVENTS_CHUNK_BYTES: usize = 1 << 20;

/// Events in a chunk by column, at most: all columns of a chunk are in memory together.
pub const COLUMNS_EVENTS_MAX: u32 = 1 << 17;

/// A chunk by column is closed at this many events.
pub const COLUMNS_EVENTS: u32 = 1 << 16;

/// A chunk by column is closed when its digests, extents and other events take this much, in bytes.
pub const COLUMNS_BYTES: usize = 4 << 20;

/// A payload chunk is closed at this size, in bytes (before compression).
pub const PAYLOAD_CHUNK_BYTES: usize = 8 << 20;

/// A chunk is closed when its first event is this old.
pub const CHUNK_AGE_NS: u64 = 250_000_000;

/// Largest body of any chunk, in bytes, stored or unpacked: a payload chunk about to close and one more
/// payload of the largest size, with room for its table.
pub const CHUNK_BODY_BYTES_MAX: usize =
    PAYLOAD_CHUNK_BYTES + REQUEST_DATA_BYTES_MAX as usize + (1 << 20);

/// Largest summary of a chunk, in bytes.
pub const SUMMARY_BYTES_MAX: usize = 1 << 20;

/// Unpacked payload chunks that a reader keeps, in bytes; the last one used is kept whatever its size.
pub const UNPACKED_BYTES: usize = 64 << 20;

/// Payload bytes kept in memory to find equal ones.
pub const DEDUP_BYTES: usize = 64 << 20;

/// Payloads whose numbers an edit keeps, to find what it has copied already.
pub const PAYLOADS_NUMBERED_MAX: usize = 1 << 20;

/// Largest header of a trace file, in bytes.
pub const HEADER_BYTES_MAX: usize = 1 << 20;

/// Longest data that an event carries itself, in bytes (1 MiB): what a character device, a network or a source of
/// random bytes gave a virtual machine at once. A frame of QEMU's network layer has up to 69,632 (its `NET_BUFSIZE`), and a
/// guest may draw more random bytes than that.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// Longest name of a mark, in bytes.
pub const MARK_NAME_BYTES_MAX: usize = 255;

/// A chunk of events is closed when its marks take this much of its summary, in bytes.
pub const MARKS_SUMMARY_BYTES: usize = 64 << 10;

/// A chunk of events is closed when requests of so many epochs completed in it.
pub const CHUNK_EPOCHS_MAX: usize = 8192;

/// Open requests that the summary of a chunk lists, one by one.
pub const OPEN_LISTED_MAX: usize = 32 << 10;

/// Open requests that a writer keeps track of for its summaries: more than all connections allow.
pub const OPEN_TRACKED_MAX: usize = 256 << 10;

/// Chunks between two indexes.
pub const INDEX_CHUNKS: usize = 1024;

/// Chunks that a reader takes from indexes, about 130 bytes of memory each; a file with more is walked.
pub const INDEXED_CHUNKS_MAX: usize = 4 << 20;

/// Requests that `rows` holds back while an earlier one has no completion yet.
pub const ROWS_HELD_MAX: usize = 1 << 20;

/// How far behind a page of rows completions of its requests are looked for, in events.
pub const PAGE_BEHIND_EVENTS: u64 = 1 << 17;

/// Ranges that are kept apart to know what was written so far, of all devices together.
pub const WRITTEN_RANGES_MAX: usize = 1 << 20;

/// Slices of time or place that statistics tell apart.
pub const STATS_SLICES_MAX: usize = 64;

/// Regions of 4,096 blocks, about 1 KiB of memory each, that statistics keep to know what was touched; with more, blocks get
/// larger. A disk of 1 TiB fits in blocks of 4 KiB.
pub const STATS_REGIONS_MAX: usize = 1 << 16;

/// Lengths of requests that statistics count one by one, for each operation, and values of a field that they tell apart.
pub const STATS_VALUES_MAX: usize = 1024;

/// Ranges written since the last flush that statistics keep, of all devices together.
pub const STATS_PIECES_MAX: usize = 1 << 20;

/// Connections that statistics tell apart.
pub const STATS_CONNECTIONS_MAX: usize = 1 << 16;

/// Requests without a completion that an edit keeps in mind: more than all connections of a recording allow.
pub const EDIT_OPEN_MAX: usize = 1 << 20;

/// Connections whose beginning an edit keeps in mind until a request of theirs comes, about 4 KiB each.
pub const EDIT_CONNECTIONS_MAX: usize = 4096;

/// Extents of all devices of a trace that can be moved about, about 12 bytes of memory each: 4 TiB of 1 MiB.
pub const EXTENTS_MOVED_MAX: u64 = 4 << 20;

/// Names of marks that an anonymized trace tells apart by a small number; those of others are longer.
pub const MARKS_NUMBERED_MAX: usize = 1 << 16;

/// Bytes that are read ahead when the next whole chunk of a damaged trace is looked for.
pub const RESCUE_WINDOW_BYTES: usize = 1 << 20;

/// Chunks that are looked at to learn the salt of a trace whose header is damaged.
pub const RESCUE_SALTS_MAX: usize = 1024;

/// How far into a file whose header is damaged its first chunk is looked for, in bytes.
pub const RESCUE_SEARCH_BYTES: u64 = 256 << 20;

/// Requests without a completion that a check keeps in mind.
pub const CHECK_OPEN_MAX: usize = 1 << 20;

/// Chunks that a check keeps in mind to hold the next index against.
pub const CHECK_ENTRIES_MAX: usize = 1 << 16;

/// Requests of a replay that may be in flight together: more than all connections of a recording allow.
pub const REPLAY_REQUESTS_MAX: usize = 1 << 20;

/// Data of requests in flight that a replay holds, in bytes, before it waits for some to complete.
pub const REPLAY_BYTES_MAX: u64 = 256 << 20;

/// Data of early arrivals that a replay keeps in memory, in bytes; more are spilled to a file.
pub const KEPT_BYTES_MAX: u64 = 64 << 20;

/// Async events that wait for a checkpoint of a virtual machine monitor, or for being run.
pub const ASYNC_EVENTS_MAX: usize = 1 << 16;

/// What they may carry together, in bytes (64 MiB).
pub const ASYNC_BYTES_MAX: u64 = 64 << 20;

/// Events of a monitor that a replay reads ahead. The last step that was begun is read to its end.
pub const TRACK_EVENTS_MAX: usize = 1 << 16;

/// What they may carry together, in bytes (64 MiB).
pub const TRACK_BYTES_MAX: u64 = 64 << 20;

/// Requests in flight that are kept in mind to find what is wrong with them; with more, what depends on them is not looked for.
pub const FINDINGS_OPEN_MAX: usize = 16 << 10;

/// Ranges that are kept in mind to know what was written there last, and as many to know how often.
pub const FINDINGS_RANGES_MAX: usize = 1 << 18;

/// Failed requests that are kept in mind to find who asks again.
pub const FINDINGS_ERRORS_MAX: usize = 256;

/// The slowest requests of each operation that are kept in mind until those that are usual are known. Up to twice as many are for a while.
pub const FINDINGS_SLOW_MAX: usize = 1 << 10;

/// Longest line of canonical text, in bytes: one has the names of all devices.
pub const CANONICAL_LINE_BYTES_MAX: usize = 1 << 20;

/// Epochs of a device that canonical text can tell of. One that ends so many has a text of more than 60 GB, and what is compared epoch by
/// epoch need not go over more.
pub const CANONICAL_EPOCHS_MAX: u64 = 1 << 32;

/// Places at which two recordings of the same run differ that are kept in mind to propose rules.
pub const LEARNED_MAX: usize = 1024;

/// Runs of one side that budgets are judged by: all ways to choose 32 of 64 are gone through.
pub const DIFF_RUNS_A_SIDE_MAX: usize = 32;

/// Runs of places that a report of differences tells apart, about 200 bytes of memory each.
pub const DIFF_RUNS_MAX: usize = 1 << 14;

/// Differences that a report keeps in full, about 500 bytes of memory each.
pub const DIFF_KEPT_MAX: usize = 1 << 17;

/// Ranges of bytes that are told of two data that differ.
pub const DIFF_RANGES_MAX: usize = 16;

/// Requests around a difference that are told, before it and behind it.
pub const DIFF_AROUND_MAX: usize = 100;

/// Differences of which bytes are compared for a report.
pub const DIFF_EXPLAINED_MAX: usize = 1000;

/// Epochs of a device whose sums a comparison keeps, 32 bytes each; a device with more is compared part by part.
pub const EPOCHS_LISTED_MAX: usize = 1 << 20;

const _: () = assert!(ASYNC_BYTES_MAX > 2 * EVENT_BYTES_MAX as u64);
const _: () = assert!(TRACK_BYTES_MAX > 2 * EVENT_BYTES_MAX as u64);
const _: () = assert!(REPLAY_REQUESTS_MAX >= CONNECTIONS_MAX * CONNECTION_REQUESTS_MAX);
const _: () = assert!(REPLAY_BYTES_MAX > 2 * REQUEST_DATA_BYTES_MAX as u64);
const _: () = assert!(NBD_OPTION_BYTES_MAX > 2 * NBD_STRING_BYTES_MAX);
const _: () = assert!(OPEN_TRACKED_MAX > CONNECTIONS_MAX * CONNECTION_REQUESTS_MAX);
/// What the parts of a summary take at most: an id and a count of flushes 10 bytes each, an epoch 37; the sketches are
/// of 976 buckets of 11 bytes for each of seven operations.
const _: () = assert!(
    2 * MARKS_SUMMARY_BYTES
        + 37 * CHUNK_EPOCHS_MAX
        + 10 * OPEN_LISTED_MAX
        + 12 * DEVICES_MAX
        + 7 * 976 * 11
        < SUMMARY_BYTES_MAX
);
const _: () = assert!(RESCUE_SEARCH_BYTES > (HEADER_BYTES_MAX + CHUNK_BODY_BYTES_MAX) as u64);
const _: () = assert!(CHECK_OPEN_MAX >= CONNECTIONS_MAX * CONNECTION_REQUESTS_MAX);
const _: () = assert!(CHECK_ENTRIES_MAX > INDEX_CHUNKS);
const _: () = assert!(EDIT_OPEN_MAX >= CONNECTIONS_MAX * CONNECTION_REQUESTS_MAX);
const _: () = assert!(EDIT_CONNECTIONS_MAX > CONNECTIONS_MAX);
const _: () = assert!(DEVICES_MAX <= u16::MAX as usize);
const _: () = assert!(EVENTS_CHUNK_BYTES + 2 * EVENT_BYTES_MAX < CHUNK_BODY_BYTES_MAX);
const _: () = assert!(COLUMNS_EVENTS <= COLUMNS_EVENTS_MAX);
const _: () = assert!(
    COLUMNS_BYTES + 2 * EVENT_BYTES_MAX + 160 * (COLUMNS_EVENTS as usize) < CHUNK_BODY_BYTES_MAX
);
const _: () = assert!(CHUNK_BODY_BYTES_MAX < u32::MAX as usize);
