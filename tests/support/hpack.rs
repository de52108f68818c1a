//! Header blocks: written the plainest way there is, read in every way.

/// A header block of literals without indexing (RFC 7541 §6.2.2): what was asked for is what is sent, no
/// table remembers anything, and names that nobody should send can be sent.
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1); the bit before it, "Huffman", is 0.
pub fn integer(value: usize, into: &mut Vec<u8>) {
    if value < 127 {
        into.push(value as u8);
        return;
    }
    into.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        into.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    into.push(rest as u8);
}
