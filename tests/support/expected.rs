//! Expected behaviour of files of the shared corpus that do not simply play. `AFFLUX_OBSERVE=1 cargo test --test corpus
//! -- --nocapture` prints the current behaviour of each file.

/// Expected behaviour of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything it lists is there; holds its track names in order, or "" for any.
    Plays(&'static str),
    /// The server refuses it, in words that contain these.
    Refused(&'static str),
}

/// Files not listed here are H.264 and AAC, and play.
pub(crate) const EXPECTED: &[(&str, Outcome)] = &[
    ("ax_bbb_800x640_768kbps_30fps_vp9.mp4", Outcome::Plays("v1")),
    ("ax_dolbyVision-hdr.MOV", Outcome::Plays("a2 v1")),
    ("ax_h265_bframes.mp4", Outcome::Plays("v1")),
    ("ax_hdr10-av1.mp4", Outcome::Plays("a2 v1")),
    ("ax_hlg10-color-test.mp4", Outcome::Plays("a1 v2")),
    ("ax_sample_ac3.mp4", Outcome::Plays("a1")),
    ("ax_sample_ac3_aac.mp4", Outcome::Plays("a1 a2")),
    ("ax_sample_eac3.mp4", Outcome::Plays("a1")),
    ("ax_sample_fragmented_clearkey.mp4", Outcome::Refused("all video of this file is encrypted")),
    ("ax_sample_opus.mp4", Outcome::Plays("a1")),
    ("ax_sample_twos_pcm.mp4", Outcome::Plays("v1")),
    ("ax_ttml-in-mp4.mp4", Outcome::Refused("no track can be served: track 1 (`subt`) is neither video nor audio")),
    ("ax_webvtt-in-mp4.mp4", Outcome::Refused("no track can be served: track 1 (`text`) is neither video nor audio")),
    ("bad/ax_sample_mdat_too_long.mp4", Outcome::Plays("a2 v1")),
    ("bad/dashif_trunc_mdat.mp4", Outcome::Refused("`trun` at byte 842")),
    ("bad/moz_0-timescale.mp4", Outcome::Refused("`mdhd` at byte 14101 says timescale 0; it must be at least 1")),
    ("bad/moz_1414444.mp4", Outcome::Refused("`trun` at byte 943 counts 10 entries; 5 fit")),
    (
        "bad/moz_1787281.mp4",
        Outcome::Refused("track 1 (`trak` at byte 136): the samples take 4294973048 bytes, the object has 2736"),
    ),
    ("bad/moz_1833896.mp4", Outcome::Plays("v1")),
    ("bad/moz_1859384.mp4", Outcome::Plays("v1")),
    ("bad/moz_1859600.mp4", Outcome::Refused("`hvcC` at byte 2199 holds 2445 bytes; its fields need 8040")),
    ("bad/moz_1903669.mp4", Outcome::Plays("v1")),
    ("bad/moz_1917627.mp4", Outcome::Plays("v1")),
    (
        "bad/moz_chunk_out_of_range.mp4",
        Outcome::Refused(
            "track 1 (`trak` at byte 8030): `stsc` entry 0 begins at chunk 16777217; the first must begin at 1, each later one behind its predecessor",
        ),
    ),
    (
        "bad/moz_encrypted-track-with-bad-sample-description-index.mp4",
        Outcome::Refused("`mehd` at byte 210 claims 33296 bytes; a box has at least 8, and 80 are left"),
    ),
    (
        "bad/moz_encrypted-track-with-sample-missing-cenc-aux.mp4",
        Outcome::Refused(
            "no track can be served: track 1 (`vide`) is already encrypted (scheme cenc); track 2 (`soun`) is already encrypted (scheme cenc)",
        ),
    ),
    (
        "bad/moz_invalid_userdata.mp4",
        Outcome::Refused("track 1 (`trak` at byte 148): the samples take 12942370 bytes, the object has 135418"),
    ),
    (
        "bad/moz_mp4_box_emptyrange.mp4",
        Outcome::Refused("`elst` at byte 396 claims 8220 bytes; a box has at least 8, and 28 are left"),
    ),
    ("bad/moz_negative_duration.mp4", Outcome::Refused("no track can be served: track 1 (`vide`) has no samples")),
    ("bad/moz_short-zero-in-moov.mp4", Outcome::Plays("a2 v1")),
    ("bad/moz_small-timebase.mp4", Outcome::Refused("`trun` at byte 875")),
    (
        "bad/moz_test_case_1156505.mp4",
        Outcome::Refused("`trak` at byte 140 claims 132 bytes; a box has at least 8, and 12 are left"),
    ),
    (
        "bad/moz_test_case_1181213.mp4",
        Outcome::Refused(
            "no track can be served: track 1 (`vide`) is already encrypted (scheme cenc); track 2 (`soun`) is already encrypted (scheme cenc)",
        ),
    ),
    (
        "bad/moz_test_case_1181223.mp4",
        Outcome::Refused(
            "no track can be served: track 1 (`vide`) is already encrypted (scheme cenc); track 2 (`soun`) is already encrypted (scheme canc)",
        ),
    ),
    (
        "bad/moz_test_case_1181719.mp4",
        Outcome::Refused("`esds` at byte 496 says AudioSpecificConfig bytes 2; it must be a whole AudioSpecificConfig"),
    ),
    ("bad/moz_test_case_1187067.mp4", Outcome::Plays("v1")),
    ("bad/moz_test_case_1200326.mp4", Outcome::Refused("`stco` at byte 1576 counts 36865 entries; 1 fit")),
    (
        "bad/moz_test_case_1216748.mp4",
        Outcome::Refused("`trak` at byte 140 claims 132 bytes; a box has at least 8, and 12 are left"),
    ),
    ("bad/moz_test_case_1296473.mp4", Outcome::Refused("`stts` at byte 660 counts 134217729 entries; 1 fit")),
    (
        "bad/moz_test_case_1301065-harder.mp4",
        Outcome::Refused("no track can be served: track 2 (`soun`) has no samples"),
    ),
    (
        "bad/moz_test_case_1301065-i64max.mp4",
        Outcome::Refused("no track can be served: track 2 (`soun`) has no samples"),
    ),
    (
        "bad/moz_test_case_1301065-max-ez.mp4",
        Outcome::Refused("no track can be served: track 2 (`soun`) has no samples"),
    ),
    (
        "bad/moz_test_case_1301065-max-ok.mp4",
        Outcome::Refused("no track can be served: track 2 (`soun`) has no samples"),
    ),
    (
        "bad/moz_test_case_1301065-u32max.mp4",
        Outcome::Refused("no track can be served: track 2 (`soun`) has no samples"),
    ),
    (
        "bad/moz_test_case_1301065-u64max.mp4",
        Outcome::Refused("no track can be served: track 2 (`soun`) has no samples"),
    ),
    (
        "bad/moz_test_case_1329061.mov",
        Outcome::Refused("track 1 (`trak` at byte 148): the samples take 3683305 bytes, the object has 93681"),
    ),
    ("bad/moz_test_case_1351094.mp4", Outcome::Refused("`moov` at byte 95 holds no `mvhd`")),
    (
        "bad/moz_test_case_1389299.mp4",
        Outcome::Refused(
            "no track can be served: track 1 (`vide`) is already encrypted (scheme cenc); track 2 (`soun`) is already encrypted (scheme cenc)",
        ),
    ),
    (
        "bad/moz_test_case_1389527.mp4",
        Outcome::Refused("track 2 (`trak` at byte 90857): `stss` names sample 0, the track has 150"),
    ),
    (
        "bad/moz_test_case_1513651-2-sample-description-entries.mp4",
        Outcome::Refused("no track can be served: track 1 (`vide`) is already encrypted (scheme cbcs)"),
    ),
    ("bad/moz_test_case_1519617-track2-trafs-removed.mp4", Outcome::Plays("v1")),
    (
        "bad/moz_test_case_1519617-video-has-track_id-0.mp4",
        Outcome::Refused("`tkhd` at byte 319 says track_ID 0; it must be at least 1"),
    ),
    ("bad/moz_track-with-zero-dimensions.mp4", Outcome::Plays("a2 v1")),
    (
        "bad/moz_zero_empty_stsc.mp4",
        Outcome::Refused("track 1 (`trak` at byte 172): the samples take 8140190 bytes, the object has 48618"),
    ),
    ("bad/wpt_invalid_codec.mp4", Outcome::Plays("v1")),
    ("cockatoo_444_mp3.mp4", Outcome::Plays("a2 v1")),
    ("foreman_hev1.mp4", Outcome::Plays("v1")),
    ("gpac_nomedia.mp4", Outcome::Refused("no track can be served: track 1 (`sdsm`) is neither video nor audio")),
    ("moz_flac.mp4", Outcome::Plays("a1")),
    ("moz_hevc10.mp4", Outcome::Plays("a2 v1")),
    ("moz_opus.mp4", Outcome::Plays("a1")),
    (
        "moz_prog_cenc.mp4",
        Outcome::Refused(
            "no track can be served: track 1 (`vide`) is already encrypted (scheme cenc); track 2 (`soun`) is already encrypted (scheme cenc)",
        ),
    ),
    (
        "mp4ff_cbcs.mp4",
        Outcome::Refused(
            "no track can be served: track 1 (`vide`) is already encrypted (scheme cbcs); track 2 (`clcp`) is neither video nor audio",
        ),
    ),
    ("mp4ff_hvc1.mp4", Outcome::Plays("a2 v1")),
    ("mp4ff_opus_frag.mp4", Outcome::Plays("a1")),
    ("mp4ff_stpp_prog.mp4", Outcome::Refused("no track can be served: track 1 (`subt`) is neither video nor audio")),
    ("wpt_av1_1frame.mp4", Outcome::Plays("v1")),
];
