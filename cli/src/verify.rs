//! Whether images are those that a trace was recorded on. A header and images come in, nothing or a refusal
//! that names both goes out.
//!
//! Invariant: it is asked before the first request, and reads only.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use blkreplay_core::device;
use blkreplay_core::format::{DeviceHeader, FingerprintMethod, Header};
use blkreplay_core::units::Size;

use crate::failure::Failure;
use crate::images::OpenedImage;
use crate::words::counted;

/// Which images will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Those that were recorded, as far as size and fingerprint tell.
    AsRecorded,
    /// Any that are large enough (`--any-image`).
    Any,
}

/// The image of each device: `NAME=IMAGE` goes to the device of that name, the others fill the rest in order.
pub(crate) fn assign_images(header: &Header, typed: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let wanted = header.devices.len();
    if typed.len() != wanted {
        let names: Vec<&str> = header.devices.iter().map(|device| device.name.as_str()).collect();
        return Err(Failure::new(format!(
            "the trace has {} ({}), and {} given",
            counted(wanted as u64, "device"),
            names.join(", "),
            match typed.len() {
                1 => "1 image is".to_owned(),
                given => format!("{given} images are"),
            }
        )));
    }
    let mut assigned: Vec<Option<PathBuf>> = vec![None; wanted];
    let mut unnamed = Vec::new();
    for path in typed {
        match named_device(header, path) {
            None => unnamed.push(path.clone()),
            Some((place, image)) if assigned[place].is_none() => assigned[place] = Some(image),
            Some((place, _)) => {
                let name = &header.devices[place].name;
                return Err(Failure::new(format!("the device {name} is given two images")));
            }
        }
    }
    let mut unnamed = unnamed.into_iter();
    Ok(assigned.into_iter().filter_map(|image| image.or_else(|| unnamed.next())).collect())
}

/// The device that `NAME=IMAGE` names, and the image; `None` if no device has such a name.
fn named_device(header: &Header, typed: &Path) -> Option<(usize, PathBuf)> {
    let bytes = typed.as_os_str().as_bytes();
    (0..).zip(&header.devices).find_map(|(place, device)| {
        let rest = bytes.strip_prefix(device.name.as_bytes())?.strip_prefix(b"=")?;
        Some((place, PathBuf::from(std::ffi::OsStr::from_bytes(rest))))
    })
}

/// Refuses images that are not those of the trace.
pub(crate) fn check_images(
    header: &Header,
    images: &[OpenedImage],
    identity: Identity,
) -> Result<(), Failure> {
    for (device, image) in header.devices.iter().zip(images) {
        check_size(device, image, identity)?;
        if identity == Identity::AsRecorded {
            check_fingerprint(device, image)?;
        }
    }
    Ok(())
}

fn check_size(
    device: &DeviceHeader,
    image: &OpenedImage,
    identity: Identity,
) -> Result<(), Failure> {
    let size = image.base.geometry().size;
    let path = image.path.display();
    let (name, recorded) = (&device.name, device.size);
    if size == recorded || (size > recorded && identity == Identity::Any) {
        return Ok(());
    }
    let failure = Failure::new(format!(
        "{path} has {size} bytes ({}), the recorded device {name} had {recorded} ({})",
        Size(size),
        Size(recorded)
    ));
    Err(if size > recorded {
        failure.hint("--any-image accepts a larger image")
    } else {
        failure.hint(format!("truncate -s {recorded} FILE makes a copy long enough"))
    })
}

fn check_fingerprint(device: &DeviceHeader, image: &OpenedImage) -> Result<(), Failure> {
    let recorded = device.fingerprint;
    if recorded.method == FingerprintMethod::None {
        return Ok(());
    }
    let path = image.path.display();
    let found = device::fingerprint(image.base.as_ref(), recorded.method)
        .map_err(|error| Failure::because(format!("cannot fingerprint {path}"), error))?;
    if found == recorded {
        return Ok(());
    }
    let digest = |print: Option<blkreplay_core::request::Digest>| {
        print.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string())
    };
    Err(Failure::new(format!(
        "{path} is not the image that was recorded as {} ({}): its fingerprint is {}, recorded {}",
        device.name,
        device.image,
        digest(found.digest),
        digest(recorded.digest)
    ))
    .hint("a replay needs a copy of the image as it was before the recording")
    .hint("--any-image takes this one all the same; its reads are still compared"))
}

#[cfg(test)]
mod tests {
    use blkreplay_core::format::{Fingerprint, LimitsHeader, PayloadPolicy};

    use super::*;

    fn header(names: &[&str]) -> Header {
        let device = |name: &&str| DeviceHeader {
            name: (*name).to_owned(),
            image: format!("{name}.img"),
            format: "raw".to_owned(),
            size: 4096,
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: true,
            fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
        };
        Header {
            tool: String::new(),
            command: Vec::new(),
            wall_clock_ns: 0,
            payload: PayloadPolicy::Write,
            devices: names.iter().map(device).collect(),
            exports: Vec::new(),
            limits: LimitsHeader { request_data_bytes: 0, connection_requests: 0 },
            recovered: None,
            replay: None,
            edits: blkreplay_core::format::Edits::default(),
        }
    }

    fn assigned(names: &[&str], typed: &[&str]) -> Result<Vec<PathBuf>, String> {
        let typed: Vec<PathBuf> = typed.iter().map(PathBuf::from).collect();
        assign_images(&header(names), &typed).map_err(|refused| refused.to_string())
    }

    #[test]
    fn images_go_to_the_devices_they_name_and_to_the_rest_in_order() {
        let check = |typed: &[&str], expected: &[&str]| {
            let expected = expected.iter().map(PathBuf::from).collect();
            assert_eq!(assigned(&["data", "log"], typed), Ok(expected), "{typed:?}");
        };
        check(&["a.img", "b.img"], &["a.img", "b.img"]);
        check(&["log=b.img", "data=a.img"], &["a.img", "b.img"]);
        check(&["log=b.img", "a.img"], &["a.img", "b.img"]);
        check(&["x=a.img", "b.img"], &["x=a.img", "b.img"]);
    }

    #[test]
    fn too_few_or_too_many_images_are_refused_with_the_names() {
        let refused = assigned(&["data", "log"], &["a.img"]).unwrap_err();
        assert_eq!(refused, "the trace has 2 devices (data, log), and 1 image is given");
        let refused = assigned(&["data"], &["a.img", "b.img"]).unwrap_err();
        assert_eq!(refused, "the trace has 1 device (data), and 2 images are given");
        let refused = assigned(&["data", "log"], &["log=a", "log=b"]).unwrap_err();
        assert_eq!(refused, "the device log is given two images");
    }
}
