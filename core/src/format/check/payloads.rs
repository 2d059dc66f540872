//! Whether the payloads of a trace are what its events and tables say.
//!
//! Chunks of payloads and the payloads of events in, faults out. Invariant: what an event says is compared with
//! a table that lies before it, never with one behind.

use std::io::{Read, Seek};

use super::fault::{Fault, Place};
use super::{Check, CheckError, Depth, order};
use crate::event::{Payload, PayloadId, is_zero};
use crate::format::frame::ChunkHeader;
use crate::format::loss::Damage;
use crate::format::payload::Payloads;
use crate::format::reader::ReadError;

impl<R: Read + Seek> Check<'_, R> {
    /// What an event says of a stored payload against what the payload's chunk says.
    pub(super) fn payload(
        &mut self,
        payload: Payload,
        length: Option<u64>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), CheckError> {
        let Payload::Stored(said, PayloadId(id)) = payload else { return Ok(()) };
        let (found, digest) = match self.shelf.entry(self.walk.chunks(), PayloadId(id)) {
            Ok(entry) => entry,
            Err(error @ ReadError::Io { .. }) => return Err(error.into()),
            Err(_) => {
                faults.push(Fault::PayloadUnknown { id });
                return Ok(());
            }
        };
        let found = found as u64;
        if let Some(wanted) = length.filter(|wanted| *wanted != found) {
            faults.push(Fault::PayloadLength { id, found, wanted });
        }
        if said != digest {
            faults.push(Fault::PayloadDiffers { id, found: said, wanted: digest });
        }
        Ok(())
    }

    pub(super) fn payloads(
        &mut self,
        header: &ChunkHeader,
        place: Place,
        body: Vec<u8>,
    ) -> Result<(), CheckError> {
        let wanted = self.expected.payload;
        let allowed = self.expected.any_payload && header.first > wanted;
        if header.first != wanted && !allowed {
            self.tell(place, order("the first payload", header.first, wanted))?;
        }
        self.expected.any_payload = false;
        self.expected.payload = header.first.saturating_add(u64::from(header.count));
        let payloads = match Payloads::new(body, header.first, header.count) {
            Ok(payloads) => payloads,
            Err(error) => return self.tell(place, Damage::from(error).into()),
        };
        self.checked.payloads += u64::from(header.count);
        if self.depth == Depth::Data {
            self.data(&payloads, header, place)?;
        }
        if header.first < wanted {
            // Its numbers are taken; who names one means the chunk before.
            return Ok(());
        }
        self.shelf.add_unpacked(place.offset, payloads);
        Ok(())
    }

    /// Whether each payload of a chunk has the digest that its table says.
    fn data(
        &mut self,
        payloads: &Payloads,
        header: &ChunkHeader,
        place: Place,
    ) -> Result<(), CheckError> {
        for number in 0..u64::from(header.count) {
            let id = header.first.saturating_add(number);
            match payloads.get(PayloadId(id)) {
                Ok(Some(data)) if !data.is_empty() && is_zero(&data) => {
                    self.tell(place, Fault::PayloadZeroes { id })?;
                }
                Ok(_) => {}
                Err(error) => self.tell(place, Damage::from(error).into())?,
            }
        }
        Ok(())
    }
}
