//! Boxes, written as they nest (ISO/IEC 14496-12 §4.2).
//!
//! ```text
//! box       │ size u32 │ type 4cc │ content … │
//! full box  │ size u32 │ type 4cc │ version u8 │ flags u24 │ content … │
//! ```

/// Writes a box around what `content` writes.
pub(super) fn plain_box(out: &mut Vec<u8>, kind: [u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    content(out);
    let size = u32::try_from(out.len() - start).expect("headers are far below 4 GiB: their entries are bounded");
    if let Some(field) = out.get_mut(start..).and_then(|written| written.first_chunk_mut()) {
        *field = size.to_be_bytes();
    }
}

/// Writes a full box around what `content` writes; `flags` has 24 bits.
pub(super) fn full_box(
    out: &mut Vec<u8>,
    kind: [u8; 4],
    (version, flags): (u8, u32),
    content: impl FnOnce(&mut Vec<u8>),
) {
    plain_box(out, kind, |out| {
        out.extend((u32::from(version) << 24 | flags).to_be_bytes());
        content(out);
    });
}

/// Appends `value` in big-endian order.
pub(super) fn u32_be(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

/// Appends `values` in big-endian order.
pub(super) fn u32s_be(out: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        u32_be(out, *value);
    }
}
