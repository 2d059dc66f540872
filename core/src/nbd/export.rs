//! What is served and what is said of it. From a device's geometry come the numbers that clients are told.
//!
//! No protocol here beyond those numbers. Invariant: what is advertised is what `transmission` accepts.

use std::sync::Arc;

use crate::device::Geometry;
use crate::engine::Disk;
use crate::nbd::wire::{BASE_ALLOCATION, transmission_flag as flag};

/// Largest payload advertised, in bytes (proto.md, "Size constraints": the default that every client
/// knows). Up to `REQUEST_DATA_BYTES_MAX` are accepted, because real clients exceed it.
pub(super) const PAYLOAD_ADVERTISED_BYTES: u32 = 32 << 20;

/// A disk and the names under which clients find it.
#[derive(Clone)]
pub struct Export {
    /// All names; the first is the one that is listed.
    pub names: Vec<String>,
    /// For people.
    pub description: String,
    /// What is served.
    pub disk: Arc<Disk>,
    /// Whether extended headers are on offer. A server offers them for all its exports or for none.
    pub extended_headers: bool,
}

/// What a client is told of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// The NBD transmission flags, to a client with structured replies; others are not offered DF.
    pub transmission_flags: u16,
    /// Minimum, preferred, and maximum, in bytes.
    pub block_sizes: [u32; 3],
    /// Meta contexts on offer.
    pub contexts: Vec<String>,
    /// Whether extended headers are on offer.
    pub extended_headers: bool,
}

/// What is advertised for a device of this geometry.
pub fn advertised(geometry: &Geometry) -> Advertised {
    let always =
        flag::HAS_FLAGS | flag::FLUSH | flag::FUA | flag::DF | flag::MULTI_CONN | flag::CACHE;
    let modify = if geometry.read_only {
        flag::READ_ONLY
    } else {
        let trim = if geometry.discard { flag::TRIM } else { 0 };
        flag::WRITE_ZEROES | flag::FAST_ZERO | trim
    };
    Advertised {
        transmission_flags: always | modify,
        block_sizes: [geometry.block_min, geometry.block_preferred, PAYLOAD_ADVERTISED_BYTES],
        contexts: vec![BASE_ALLOCATION.to_owned()],
        extended_headers: true,
    }
}

/// An export as the handshake knows it: names and numbers, no disk.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// All names; the first is the one that is listed.
    pub(super) names: Vec<String>,
    /// For people.
    pub(super) description: String,
    /// Bytes.
    pub(super) size: u64,
    /// Flags and block sizes.
    pub(super) advertised: Advertised,
}

impl From<&Export> for Offer {
    fn from(export: &Export) -> Offer {
        let geometry = export.disk.geometry();
        Offer {
            names: export.names.clone(),
            description: export.description.clone(),
            size: geometry.size,
            advertised: Advertised {
                extended_headers: export.extended_headers,
                ..advertised(geometry)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry {
        size: 1 << 20,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
    };

    #[test]
    fn a_writable_disk_offers_everything_but_rotation_and_resizing() {
        let told = advertised(&GEOMETRY);
        assert_eq!(told.transmission_flags, 0b1101_1110_1101);
        assert_eq!(told.block_sizes, [1, 4096, 32 << 20]);
        assert_eq!(told.contexts, ["base:allocation"]);
        assert!(told.extended_headers);
    }

    #[test]
    fn a_read_only_disk_offers_nothing_that_modifies() {
        let told = advertised(&Geometry { read_only: true, ..GEOMETRY });
        assert_eq!(told.transmission_flags, 0b0101_1000_1111);
    }

    #[test]
    fn trim_is_offered_only_where_the_device_discards() {
        let told = advertised(&Geometry { discard: false, ..GEOMETRY });
        assert_eq!(told.transmission_flags & flag::TRIM, 0);
    }
}
