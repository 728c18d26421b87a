//! Generates a silent AAC frame, to fill the start of audio that starts late.
//!
//! ```text
//! raw_data_block  │ element, element, … │ ID_END 3 │ 0-padding to a byte │          ISO/IEC 14496-3 §4.4.2.1
//! SCE, LFE        │ id 3 │ tag 4 │ global_gain 8 │ ics_info 11 │ 3 flags │
//! CPE             │ id 3 │ tag 4 │ common_window 1 │ ics_info 11 │ ms_mask 2 │ 2 × ( global_gain 8 │ 3 flags ) │
//! ics_info        │ reserved 1 │ window_sequence 2 │ window_shape 1 │ max_sfb 6 │ predictor 1 │   all zero
//! ```
//! With `max_sfb` 0 there are no sections, scale factors or spectral data: every coefficient is zero.

use crate::media::Aac;
use bytes::Bytes;

/// Syntactic elements by their id_syn_ele.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    SingleChannel = 0,
    ChannelPair = 1,
    LowFrequency = 3,
}

use Element::{ChannelPair, LowFrequency, SingleChannel};

/// One silent frame for a decoder configured by `aac`. `None` if its channels are not one of the configurations 1 to 7
/// (§1.6.3.5), or its core is not AAC-LC (object types 2, 5 and 29).
pub(super) fn frame(aac: Aac) -> Option<Bytes> {
    let elements: &[Element] = match aac.channel_configuration {
        1 => &[SingleChannel],
        2 => &[ChannelPair],
        3 => &[SingleChannel, ChannelPair],
        4 => &[SingleChannel, ChannelPair, SingleChannel],
        5 => &[SingleChannel, ChannelPair, ChannelPair],
        6 => &[SingleChannel, ChannelPair, ChannelPair, LowFrequency],
        7 => &[SingleChannel, ChannelPair, ChannelPair, ChannelPair, LowFrequency],
        _ => return None,
    };
    if !matches!(aac.object_type, 2 | 5 | 29) {
        return None;
    }
    let mut bits = BitWriter::default();
    for (at, element) in elements.iter().enumerate() {
        let earlier = elements.iter().take(at).filter(|other| *other == element).count();
        let tag = u64::try_from(earlier).expect("at most five elements");
        match element {
            SingleChannel => bits.push(0, 3),
            ChannelPair => bits.push(1, 3),
            LowFrequency => bits.push(3, 3),
        }
        bits.push(tag, 4);
        match element {
            SingleChannel | LowFrequency => bits.push(0, 8 + 11 + 3),
            ChannelPair => {
                bits.push(1, 1);
                bits.push(0, 11 + 2 + 2 * (8 + 3));
            }
        }
    }
    bits.push(7, 3);
    Some(bits.finish())
}

/// Bits, most significant first.
#[derive(Debug, Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u8,
    filled: u32,
}

impl BitWriter {
    fn push(&mut self, value: u64, width: u32) {
        for at in (0..width).rev() {
            self.pending = self.pending << 1 | u8::from(value >> at & 1 == 1);
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(self.pending);
                (self.pending, self.filled) = (0, 0);
            }
        }
    }

    fn finish(mut self) -> Bytes {
        while self.filled != 0 {
            self.push(0, 1);
        }
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::frame;
    use crate::media::Aac;

    fn aac(channel_configuration: u8) -> Aac {
        Aac { object_type: 2, core_type: 2, sample_rate: 48_000, channel_configuration, frame_length: 1_024 }
    }

    #[test]
    fn mono_is_29_bits_and_the_end() {
        assert_eq!(frame(aac(1)).unwrap().as_ref(), [0, 0, 0, 0b111]);
    }

    #[test]
    fn stereo_is_43_bits_and_the_end() {
        assert_eq!(frame(aac(2)).unwrap().as_ref(), [0b0010_0001, 0, 0, 0, 0, 0b0001_1100]);
    }

    #[test]
    fn channels_that_only_a_program_config_element_names_have_no_silent_frame() {
        assert_eq!(frame(aac(0)), None);
        assert_eq!(frame(Aac { object_type: 42, ..aac(2) }), None);
    }
}
