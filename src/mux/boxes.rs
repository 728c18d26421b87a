//! Writes boxes of ISO base media files; nested calls give nested boxes (ISO/IEC 14496-12 §4.2).
//!
//! ```text
//! box       │ size u32 │ type 4cc │ content … │
//! full box  │ size u32 │ type 4cc │ version u8 │ flags u24 │ content … │
//! ```

/// Writes a box, with `content` writing its content.
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

/// Header of a full box (ISO/IEC 14496-12 §4.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct FullBox {
    kind: [u8; 4],
    version: u8,
    /// 24 bits.
    flags: u32,
}

impl FullBox {
    pub(super) const fn new(kind: [u8; 4], version: u8, flags: u32) -> Self {
        Self { kind, version, flags }
    }
}

/// Writes a full box, with `content` writing its content.
pub(super) fn full_box(out: &mut Vec<u8>, header: FullBox, content: impl FnOnce(&mut Vec<u8>)) {
    plain_box(out, header.kind, |out| {
        out.extend((u32::from(header.version) << 24 | header.flags).to_be_bytes());
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
