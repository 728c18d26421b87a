//! Expected behaviour of each case file.

/// A condition on a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// Duration in HLS, DASH and, if present, MPEG-TS.
    Seconds(f64),
    /// Packets of its video and audio in HLS and DASH.
    Packets { video: usize, audio: usize },
    /// Pictures in MPEG-TS.
    Transport(usize),
    /// There is no MPEG-TS.
    NoTransport,
    /// Lint finds this code.
    Lint(&'static str),
    /// The multivariant playlist contains these words.
    Hls(&'static str),
    /// The multivariant playlist does not contain these words.
    HlsLacks(&'static str),
    /// The MPD contains these words.
    Dash(&'static str),
    /// The MPD does not contain these words.
    DashLacks(&'static str),
    /// The server refuses it, in words that contain these.
    Refused(&'static str),
    /// Every stored picture is presented at its time.
    Ordered,
}

use Expect::{Dash, Hls, HlsLacks, Lint, NoTransport, Ordered, Packets, Refused, Seconds, Transport};

/// One row per file.
pub(crate) const ROWS: &[(&str, &[Expect])] = &[
    (
        "c01_cover_first.mp4",
        &[Packets { video: 250, audio: 470 }, Transport(250), HlsLacks("mp4v"), Lint("track-skipped")],
    ),
    (
        "c02_cover_audio.m4a",
        &[Packets { video: 0, audio: 470 }, Transport(0), HlsLacks("RESOLUTION"), Lint("track-skipped")],
    ),
    (
        "c04_two_angles.mp4",
        &[Packets { video: 250, audio: 470 }, Transport(250), HlsLacks("/v2/"), Lint("track-skipped")],
    ),
    (
        "c07_heaac_explicit_bc.m4a",
        &[Packets { video: 0, audio: 236 }, Hls("mp4a.40.5"), Dash("audioSamplingRate=\"48000\"")],
    ),
    ("c08_two_equal_stsd.mp4", &[Packets { video: 250, audio: 470 }, Transport(250)]),
    ("c09_hev1_bare_hvcC.mp4", &[Packets { video: 150, audio: 283 }, NoTransport]),
    ("c10_avc3_empty_avcC.mp4", &[Packets { video: 150, audio: 283 }, Transport(150)]),
    ("c18_pcm_1s.mov", &[Packets { video: 3, audio: 0 }, Transport(3), Lint("track-skipped")]),
    ("c19_qt_boxes.mov", &[Packets { video: 152, audio: 283 }, Transport(152)]),
    ("c23_frag_cut_in_last.mp4", &[Packets { video: 225, audio: 420 }, Transport(225), Lint("recording-cut")]),
    ("c05_cut_middle.mp4", &[Seconds(7.0), Packets { video: 175, audio: 329 }, Transport(175), Lint("edit-cut")]),
    ("c06_trim_both_ends.mp4", &[Seconds(3.0), Packets { video: 75, audio: 144 }, Transport(75), Lint("edit-end")]),
    (
        "c11_one_frame_long_audio.mp4",
        &[Seconds(30.0), Packets { video: 15, audio: 1408 }, Transport(15), Lint("held-frame")],
    ),
    ("c13_vfr_screen.mp4", &[Seconds(30.0), Packets { video: 7, audio: 1408 }, Transport(7)]),
    ("c14_aac_96k.m4a", &[Packets { video: 0, audio: 564 }, Dash("audioSamplingRate=\"96000\"")]),
    ("c20_moov_middle.mp4", &[Packets { video: 250, audio: 470 }, Transport(250)]),
    ("c21_stss_empty.mp4", &[Packets { video: 250, audio: 470 }]),
    ("c22_frag_no_tfdt.mp4", &[Packets { video: 250, audio: 470 }, Transport(250)]),
    ("c24_obs_hybrid.mp4", &[Packets { video: 250, audio: 470 }, Transport(250)]),
    ("c31_ns_timescale.mp4", &[Packets { video: 202, audio: 376 }, Transport(202)]),
    ("c40_zero_size_samples.mp4", &[Packets { video: 150, audio: 283 }, Transport(150), Lint("empty-samples")]),
    ("c42_gap_in_middle.mp4", &[Refused("edit-gap")]),
    ("c44_last_frame_20s.mp4", &[Packets { video: 150, audio: 283 }, Transport(150)]),
    ("c46_video6s_audio30s.mp4", &[Seconds(30.0), Packets { video: 150, audio: 1408 }, Transport(150)]),
    ("hevc_cra_start.mp4", &[Packets { video: 251, audio: 0 }, Ordered, NoTransport]),
    ("edits_tail_trim.mp4", &[Seconds(7.0), Packets { video: 173, audio: 330 }, Transport(173), Lint("edit-end")]),
    ("h264_opengop.mp4", &[Packets { video: 300, audio: 564 }, Lint("open-gop"), Hls("RESOLUTION")]),
    ("aac_and_mp3.mp4", &[Hls("GROUP-ID=\"aac-2\""), Hls("GROUP-ID=\"aac-mp3\"")]),
    (
        "c15_aac51side_pce.mp4",
        &[Packets { video: 127, audio: 236 }, Hls("CHANNELS=\"6\""), Lint("aac-program-config"), NoTransport],
    ),
    ("c17_prores.mov", &[Lint("plays-nowhere"), NoTransport]),
    ("c27_same_language_twice.mp4", &[Hls("NAME=\"English\""), Hls("NAME=\"Commentary\"")]),
    ("c28_rot90.mp4", &[Hls("RESOLUTION=180x320"), Lint("rotation-lost-in-ts"), NoTransport]),
    (
        "c29_pal_wide_interlaced.mp4",
        &[Packets { video: 50, audio: 189 }, Transport(50), Dash("sar=\"64:45\""), Hls("RESOLUTION=1024x576")],
    ),
    ("c33_hdr10_pq.mp4", &[Hls("VIDEO-RANGE=PQ"), Dash("urn:mpeg:mpegB:cicp:TransferCharacteristics\" value=\"16\"")]),
    ("mhm1_24s.mp4", &[Packets { video: 0, audio: 1160 }, NoTransport]),
];
