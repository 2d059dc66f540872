//! A frame of a network, in words: who sends to whom. Bytes come in, words go out.
//!
//! Invariant: what is not understood is not told; the bytes are told by others.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// The words about a frame: addresses, protocol, ports. None if it is no Ethernet frame.
pub(super) fn words(frame: &[u8]) -> Option<String> {
    let link = etherparse::Ethernet2HeaderSlice::from_slice(frame).ok()?;
    let mut words = vec![format!("{} to {}", mac(link.source()), mac(link.destination()))];
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else {
        words.push(format!("type {:#06x}", link.ether_type().0));
        return Some(words.join(" "));
    };
    let ports = ports(packet.transport.as_ref());
    let [from, to] = ports.map(|port| port.map_or(String::new(), |port| format!(":{port}")));
    let protocol = match packet.transport {
        Some(TransportSlice::Tcp(_)) => Some("tcp"),
        Some(TransportSlice::Udp(_)) => Some("udp"),
        Some(TransportSlice::Icmpv4(_)) => Some("icmp"),
        Some(TransportSlice::Icmpv6(_)) => Some("icmpv6"),
        Some(TransportSlice::Igmp(_)) => Some("igmp"),
        None => None,
    };
    match packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let (source, destination) =
                (Ipv4Addr::from(ip.header().source()), Ipv4Addr::from(ip.header().destination()));
            words.push(protocol.unwrap_or("ipv4").to_owned());
            words.push(format!("{source}{from} to {destination}{to}"));
        }
        Some(NetSlice::Ipv6(ip)) => {
            let (source, destination) =
                (Ipv6Addr::from(ip.header().source()), Ipv6Addr::from(ip.header().destination()));
            words.push(protocol.unwrap_or("ipv6").to_owned());
            let bracketed = |ip: Ipv6Addr, port: &str| {
                if port.is_empty() { ip.to_string() } else { format!("[{ip}]{port}") }
            };
            words.push(format!("{} to {}", bracketed(source, &from), bracketed(destination, &to)));
        }
        Some(NetSlice::Arp(_)) => words.push("arp".to_owned()),
        None => words.push(format!("type {:#06x}", link.ether_type().0)),
    }
    Some(words.join(" "))
}

fn mac(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// The ports from and to which it goes, where there are any.
fn ports(transport: Option<&TransportSlice<'_>>) -> [Option<u16>; 2] {
    match transport {
        Some(TransportSlice::Tcp(tcp)) => [Some(tcp.source_port()), Some(tcp.destination_port())],
        Some(TransportSlice::Udp(udp)) => [Some(udp.source_port()), Some(udp.destination_port())],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const ONE: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    const OTHER: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];

    #[test]
    fn a_frame_says_who_sends_to_whom() {
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2(ONE, OTHER).ipv4([10, 0, 2, 15], [10, 0, 2, 3], 64);
        builder.udp(68, 53).write(&mut frame, b"data").unwrap();
        let told = "52:54:00:12:34:56 to 52:55:0a:00:02:02 udp 10.0.2.15:68 to 10.0.2.3:53";
        assert_eq!(words(&frame).unwrap(), told);

        let mut frame = Vec::new();
        let (from, to) = ([0xfe; 16], [0xff; 16]);
        let builder = PacketBuilder::ethernet2(ONE, OTHER).ipv6(from, to, 64);
        builder.tcp(1, 2, 3, 4).write(&mut frame, b"").unwrap();
        assert!(
            words(&frame)
                .unwrap()
                .ends_with(":fefe]:1 to [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:2")
        );
    }

    #[test]
    fn what_is_not_understood_is_not_told() {
        assert_eq!(words(&[1; 13]), None);
        let mut frame = [[1; 6], [2; 6]].concat();
        frame.extend([0x88, 0xb5, 9, 9]);
        let told = "02:02:02:02:02:02 to 01:01:01:01:01:01 type 0x88b5";
        assert_eq!(words(&frame).unwrap(), told);
        // An IPv4 packet that is cut within its header.
        let mut frame = [[1; 6], [2; 6]].concat();
        frame.extend([0x08, 0x00, 0x45, 0]);
        assert!(words(&frame).unwrap().ends_with(" type 0x0800"));
    }
}
