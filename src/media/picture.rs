//! The picture of a video track: size, rotation, pixel aspect and colours.

/// The picture of a video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Width of a decoded picture in pixels, at least 1.
    pub width: u16,
    /// Height of a decoded picture in pixels, at least 1.
    pub height: u16,
    /// Pixel aspect ratio, horizontal to vertical, neither zero; 1:1 if the file does not tell it.
    pub pixel_aspect: (u32, u32),
    /// The track header's transformation matrix (rotation), as stored: nine 16.16 or 2.30 numbers.
    pub matrix: [i32; 9],
    /// Colours; `None` if the file does not tell them.
    pub colour: Option<Colour>,
    /// Dynamic range.
    pub range: VideoRange,
}

/// Colours by their code points (ISO/IEC 23091-2): 1 is BT.709, 2 is unspecified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// `ColourPrimaries`: 9 is BT.2020.
    pub primaries: u8,
    /// `TransferCharacteristics`: 16 is PQ, 18 is HLG.
    pub transfer: u8,
    /// `MatrixCoefficients`.
    pub matrix: u8,
    /// Whether samples use the full range of their bits.
    pub full_range: bool,
}

/// Dynamic range, for `VIDEO-RANGE` of HLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VideoRange {
    /// Standard dynamic range.
    Sdr,
    /// High dynamic range with the perceptual quantizer (SMPTE ST 2084).
    Pq,
    /// High dynamic range with hybrid log-gamma (ARIB STD-B67).
    Hlg,
}

/// Clockwise rotation of a picture for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// No rotation.
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

/// The size of a picture after rotation, in the stream's own pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UprightPicture {
    /// Width in the stream's own pixels.
    pub width: u16,
    /// Height in the stream's own pixels.
    pub height: u16,
    /// Pixel aspect ratio, horizontal to vertical.
    pub pixel_aspect: (u32, u32),
}

/// A display size in square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Extent {
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

impl Colour {
    /// Code point 2: unspecified.
    pub const UNSPECIFIED: u8 = 2;

    /// Dynamic range of the transfer characteristics.
    #[must_use]
    pub const fn range(self) -> VideoRange {
        match self.transfer {
            16 => VideoRange::Pq,
            18 => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }
}

impl Extent {
    /// Whether two sizes have the same shape: their display aspect ratios differ by 2 % at most.
    #[must_use]
    pub fn is_shaped_like(self, other: Self) -> bool {
        let (one, two) = (product(self.width, other.height), product(other.width, self.height));
        one.abs_diff(two).saturating_mul(50) <= one.max(two)
    }
}

fn product(one: u32, other: u32) -> u64 {
    u64::from(one) * u64::from(other)
}

impl Rotation {
    /// Rotation in degrees, clockwise.
    #[must_use]
    pub const fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }
}

impl VideoRange {
    /// Value of `VIDEO-RANGE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Pq => "PQ",
            Self::Hlg => "HLG",
        }
    }
}

impl Picture {
    /// A picture with square pixels, without rotation and without colours.
    #[must_use]
    pub const fn plain(width: u16, height: u16) -> Self {
        let matrix = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
        Self { width, height, pixel_aspect: (1, 1), matrix, colour: None, range: VideoRange::Sdr }
    }

    /// Rotation by the matrix (ISO/IEC 14496-12 §8.3.2), to the nearest quarter turn.
    #[must_use]
    pub fn turn(&self) -> Rotation {
        let [a, b, _, c, d, ..] = self.matrix;
        let straight = a.unsigned_abs().max(d.unsigned_abs());
        let across = b.unsigned_abs().max(c.unsigned_abs());
        match (across > straight, b > 0, a < 0 && d < 0) {
            (true, true, _) => Rotation::Quarter,
            (true, false, _) => Rotation::ThreeQuarters,
            (false, _, true) => Rotation::Half,
            (false, _, false) => Rotation::None,
        }
    }

    /// Size and pixel aspect ratio after rotation, in the stream's own pixels.
    #[must_use]
    pub fn upright(&self) -> UprightPicture {
        let Self { width, height, pixel_aspect: (across, down), .. } = *self;
        match self.turn() {
            Rotation::None | Rotation::Half => UprightPicture { width, height, pixel_aspect: (across, down) },
            Rotation::Quarter | Rotation::ThreeQuarters => {
                UprightPicture { width: height, height: width, pixel_aspect: (down, across) }
            }
        }
    }

    /// Display size: after rotation, in square pixels (RFC 8216 §4.3.4.2: `RESOLUTION`). Applies the pixel aspect ratio
    /// to the stored width, as players do, and rounds down, as track headers do.
    #[must_use]
    pub fn shown(&self) -> Extent {
        let (across, down) = (u64::from(self.pixel_aspect.0), u64::from(self.pixel_aspect.1.max(1)));
        let stretched = u64::from(self.width).saturating_mul(across) / down;
        let width = u32::try_from(stretched.max(1)).unwrap_or(u32::MAX);
        let height = u32::from(self.height);
        match self.turn() {
            Rotation::None | Rotation::Half => Extent { width, height },
            Rotation::Quarter | Rotation::ThreeQuarters => Extent { width: height, height: width },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, Extent, Picture, Rotation, UprightPicture, VideoRange};

    const ONE: i32 = 0x1_0000;

    fn turned([a, b, c, d]: [i32; 4]) -> Picture {
        Picture { matrix: [a, b, 0, c, d, 0, 0, 0, 0x4000_0000], ..Picture::plain(720, 576) }
    }

    #[test]
    fn a_matrix_turns_by_the_nearest_quarter() {
        assert_eq!(turned([ONE, 0, 0, ONE]).turn(), Rotation::None);
        assert_eq!(turned([0, ONE, -ONE, 0]).turn(), Rotation::Quarter);
        assert_eq!(turned([-ONE, 0, 0, -ONE]).turn(), Rotation::Half);
        assert_eq!(turned([0, -ONE, ONE, 0]).turn(), Rotation::ThreeQuarters);
        assert_eq!(turned([0; 4]).turn(), Rotation::None);
        assert_eq!(turned([-ONE, 0, 0, ONE]).turn(), Rotation::None);
        assert_eq!(turned([i32::MIN, i32::MIN, i32::MIN, i32::MIN]).turn(), Rotation::Half);
    }

    #[test]
    fn wide_pixels_widen_the_shown_picture_and_a_quarter_turn_swaps_its_sides() {
        let wide = Picture { pixel_aspect: (64, 45), ..Picture::plain(720, 576) };
        assert_eq!(wide.shown(), Extent { width: 1_024, height: 576 });
        let upright = Picture { pixel_aspect: (64, 45), ..turned([0, ONE, -ONE, 0]) };
        assert_eq!(upright.shown(), Extent { width: 576, height: 1_024 });
        assert_eq!(upright.upright(), UprightPicture { width: 576, height: 720, pixel_aspect: (45, 64) });
        let thin = Picture { pixel_aspect: (1, u32::MAX), ..Picture::plain(720, 576) };
        assert_eq!(thin.shown(), Extent { width: 1, height: 576 });
        let broad = Picture { pixel_aspect: (u32::MAX, 1), ..Picture::plain(720, 576) };
        assert_eq!(broad.shown(), Extent { width: u32::MAX, height: 576 });
    }

    #[test]
    fn rungs_that_were_rounded_to_whole_macroblocks_have_one_shape_and_a_portrait_has_another() {
        let extent = |width, height| Extent { width, height };
        let film = extent(1_920, 1_080);
        for rung in [extent(854, 480), extent(426, 240), extent(1_920, 1_088), extent(256, 144)] {
            assert!(film.is_shaped_like(rung) && rung.is_shaped_like(film), "{rung:?}");
        }
        for other in [extent(1_080, 1_920), extent(1_440, 1_080), extent(2_048, 1_080), extent(1, u32::MAX)] {
            assert!(!film.is_shaped_like(other) && !other.is_shaped_like(film), "{other:?}");
        }
    }

    #[test]
    fn the_transfer_tells_the_range() {
        let range = |transfer| Colour { primaries: 9, transfer, matrix: 9, full_range: false }.range();
        assert_eq!([16, 18, 1, 14].map(range), [VideoRange::Pq, VideoRange::Hlg, VideoRange::Sdr, VideoRange::Sdr]);
    }
}
