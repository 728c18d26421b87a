//! A small box writer for tests.

/// A box.
pub(super) fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// A box with version and flags.
pub(super) fn full(kind: &[u8; 4], (version, flags): (u8, u32), body: &[u8]) -> Vec<u8> {
    let word = (u32::from(version) << 24) | flags;
    atom(kind, &[&word.to_be_bytes()[..], body].concat())
}

/// 32-bit words.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// `esds` with an object type and a decoder specific info.
pub(super) fn esds(object_type: u8, specific: &[u8]) -> Vec<u8> {
    let len = specific.len() as u8;
    let mut body = vec![3, 3 + 2 + 13 + 2 + len, 0, 1, 0, 4, 13 + 2 + len, object_type, 0x15];
    body.extend([0; 11]);
    body.extend([5, len]);
    body.extend(specific);
    full(b"esds", (0, 0), &body)
}
