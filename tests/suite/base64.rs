//! Base64, as what goes to the clipboard of a terminal is encoded. Bytes in, text out.

/// As the standard has it (RFC 4648, 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let of = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for place in 0..4 {
            let letter = LETTERS[usize::try_from(bits >> (18 - 6 * place) & 63).unwrap()];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
