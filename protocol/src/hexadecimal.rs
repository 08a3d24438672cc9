//! Bytes as hexadecimal digits, for keys, hashes and ids that a person may meet.

use zeroize::Zeroizing;

/// Two digits a byte, in small letters.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("four bits");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Fills the bytes with what the digits say; false when there are more, fewer or others.
#[must_use]
pub fn unhex(text: &str, bytes: &mut [u8]) -> bool {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = Zeroizing::new(digits.unwrap_or_default());
    if digits.len() != bytes.len() * 2 {
        return false;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    true
}
