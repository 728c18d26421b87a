//! Tests of the movie box.

#![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "numbers of a test are small")]

use crate::demux::fixture::{MEDIA, Trak, atom, avcc, full, media_first, movie, table, visual, words};
use crate::demux::{Error, FourCc};
use crate::media::{Edit, Moment, Skipped, TableError, Ticks};

fn edited(elst: &[u32]) -> Trak {
    Trak { more: atom(b"edts", &table(b"elst", elst)), ..Trak::video(MEDIA) }
}

fn skipped(trak: Trak) -> Skipped {
    movie(&media_first(&[Trak::audio(MEDIA), trak])).unwrap().skipped.remove(0)
}

#[test]
fn tracks_that_cannot_be_served_are_skipped_with_the_reason() {
    let of = |trak: Trak| skipped(trak).reason;
    let video = || Trak::video(MEDIA);
    assert_eq!(of(Trak { handler: *b"hint", ..video() }), "is neither video nor audio");
    let sinf = atom(b"sinf", &table(b"schm", &[u32::from_be_bytes(*b"cbcs"), 0x1_0000]));
    let entries = vec![crate::demux::fixture::audible(b"enca", &sinf)];
    let other = Trak { id: 5, entries, ..Trak::audio(MEDIA) };
    assert_eq!(of(other.clone()), "is already encrypted (scheme cbcs)");
    for kind in [b"drms", b"mp4a"] {
        let entries = vec![crate::demux::fixture::audible(kind, &sinf)];
        assert_eq!(of(Trak { entries, ..other.clone() }), "is already encrypted (scheme cbcs)");
    }
    assert_eq!(of(video().empty()), "has no samples");
    let entries = vec![crate::demux::fixture::audible(b"sowt", &[])];
    let sound = Trak { id: 5, entries, ..Trak::audio(MEDIA) };
    assert_eq!(of(sound), "holds `sowt`, sound that players do not take from playlists");
}

fn titled(trak: &Trak, name: &[u8]) -> Option<String> {
    let mut printed = trak.print();
    let hdlr = printed.windows(4).position(|four| four == b"hdlr").unwrap() - 4;
    let end = hdlr + u32::from_be_bytes(printed[hdlr..hdlr + 4].try_into().unwrap()) as usize;
    let mdia = printed.windows(4).position(|four| four == b"mdia").unwrap() - 4;
    for at in [0, mdia, hdlr] {
        let size = u32::from_be_bytes(printed[at..at + 4].try_into().unwrap()) + name.len() as u32;
        printed[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    printed.splice(end..end, name.iter().copied());
    let object = [media_first(&[])[..98].to_vec(), crate::demux::fixture::moov(&[printed])].concat();
    movie(&object).unwrap().tracks[0].title.as_ref().map(|title| title.as_str().to_owned())
}

#[test]
fn a_track_has_the_title_that_its_handler_or_its_user_data_gives() {
    let audio = Trak::audio(MEDIA);
    assert_eq!(titled(&audio, b"Commentary\0").as_deref(), Some("Commentary"));
    assert_eq!(titled(&audio, b"\x0aCommentary").as_deref(), Some("Commentary"));
    assert_eq!(titled(&audio, b"SoundHandler\0"), None);
    assert_eq!(titled(&audio, b""), None);
    let named = Trak { more: atom(b"udta", &atom(b"name", b"Stereo")), ..audio };
    assert_eq!(titled(&named, b"SoundHandler\0").as_deref(), Some("Stereo"));
}

#[test]
fn a_header_enables_its_track_and_puts_it_into_a_group() {
    let flags = |traks: &[Trak]| {
        let movie = movie(&media_first(traks)).unwrap();
        movie.tracks.iter().map(|track| (track.enabled, track.alternate_group)).collect::<Vec<_>>()
    };
    let other = |disabled| Trak { id: 3, disabled, alternate_group: 7, ..Trak::audio(MEDIA) };
    assert_eq!(flags(&[Trak::audio(MEDIA), other(false)]), [(true, 0), (true, 7)]);
    assert_eq!(flags(&[Trak::audio(MEDIA), other(true)]), [(true, 0), (false, 7)]);
    // The file disables all tracks of a kind: we take all of them as enabled.
    assert_eq!(flags(&[Trak::video(MEDIA), other(true)]), [(true, 0), (true, 7)]);
}

#[test]
fn chapters_of_another_track_are_skipped() {
    let audio = Trak { more: atom(b"tref", &atom(b"chap", &words(&[1]))), ..Trak::audio(MEDIA) };
    let movie = movie(&media_first(&[Trak::video(MEDIA), audio])).unwrap();
    assert_eq!(movie.tracks.iter().map(|track| track.id).collect::<Vec<_>>(), [2]);
    assert_eq!(movie.skipped[0].reason, "holds chapters of another track");
}

#[test]
fn a_file_of_nothing_to_serve_names_each_reason() {
    let hint = Trak { handler: *b"hint", ..Trak::video(MEDIA) };
    let error = movie(&media_first(&[hint, Trak::audio(MEDIA).empty()])).unwrap_err();
    let text = "no track can be served: track 1 (`hint`) is neither video nor audio; track 2 (`soun`) has no samples";
    assert_eq!(error.to_string(), text);
}

#[test]
fn track_numbers_are_unique_and_not_zero() {
    let twice = [Trak::video(MEDIA), Trak { id: 1, ..Trak::audio(MEDIA) }];
    let at = 98 + 8 + 28 + twice[0].print().len() as u64;
    assert_eq!(movie(&media_first(&twice)).unwrap_err(), Error::DuplicateTrack { track: 1, at });
    let zero = Trak { id: 0, ..Trak::video(MEDIA) };
    let (kind, allowed) = (FourCc(*b"tkhd"), "at least 1");
    let refused = Error::Value { kind, at: 142, field: "track_ID", claims: 0, allowed };
    assert_eq!(movie(&media_first(&[zero])).unwrap_err(), refused);
}

#[test]
fn a_timescale_of_zero_is_refused() {
    let error = movie(&media_first(&[Trak { timescale: 0, ..Trak::video(MEDIA) }])).unwrap_err();
    assert_eq!(error.to_string(), "`mdhd` at byte 242 says timescale 0; it must be at least 1");
}

#[test]
fn one_flawed_track_refuses_the_file() {
    let flawed = Trak::audio(MEDIA).with(table(b"stsc", &[1, 1, 1, 1]));
    let at = 98 + 8 + 28 + Trak::video(MEDIA).print().len() as u64;
    let flaw = TableError::Unplaced { placed: 1, samples: 2 };
    let refused = Error::Track { track: 2, at, flaw };
    assert_eq!(movie(&media_first(&[Trak::video(MEDIA), flawed])).unwrap_err(), refused);
}

#[test]
fn the_one_sample_entry_that_is_used_counts() {
    let entries = vec![visual(b"hvc1", &[]), visual(b"avc1", &avcc())];
    let uses = |stsc: &[u32]| {
        let trak = Trak { entries: entries.clone(), ..Trak::video(MEDIA) }.with(table(b"stsc", stsc));
        movie(&media_first(&[trak])).map(|movie| movie.tracks[0].codec.string.clone())
    };
    assert_eq!(uses(&[1, 1, 3, 2]), Ok("avc1.64001f".into()));
    assert!(matches!(uses(&[2, 1, 1, 1, 2, 2, 2]), Err(Error::EntryChanges { track: 1, from: 1, to: 2, .. })));
    assert!(matches!(uses(&[1, 1, 3, 3]), Err(Error::EntryIndex { track: 1, entry: 3, entries: 2, .. })));
    assert!(matches!(uses(&[1, 1, 3, 0]), Err(Error::EntryIndex { track: 1, entry: 0, entries: 2, .. })));
}

#[test]
fn entries_that_are_equal_are_one() {
    let equal = vec![visual(b"avc1", &avcc()), visual(b"avc1", &avcc())];
    let stsc = table(b"stsc", &[2, 1, 1, 1, 2, 2, 2]);
    let stco = table(b"stco", &[2, MEDIA, MEDIA + 10]);
    let trak = Trak { entries: equal, ..Trak::video(MEDIA) }.with(stsc).with(stco);
    assert_eq!(movie(&media_first(&[trak])).unwrap().tracks[0].index.len(), 3);
}

#[test]
fn a_film_of_which_a_half_is_encrypted_is_refused() {
    let sinf = atom(b"sinf", &table(b"schm", &[u32::from_be_bytes(*b"cenc"), 0x1_0000]));
    let hidden = |trak: Trak| match &trak.handler {
        b"vide" => Trak { entries: vec![visual(b"encv", &[avcc(), sinf.clone()].concat())], ..trak },
        _ => Trak { entries: vec![crate::demux::fixture::audible(b"enca", &sinf)], ..trak },
    };
    let refused = |traks: &[Trak]| movie(&media_first(traks)).unwrap_err().to_string();
    assert_eq!(
        refused(&[hidden(Trak::video(MEDIA)), Trak::audio(MEDIA)]),
        "all video of this file is encrypted, and the rest is not served without it: track 1 (`vide`) is already \
         encrypted (scheme cenc)"
    );
    assert_eq!(
        refused(&[Trak::video(MEDIA), hidden(Trak::audio(MEDIA))]),
        "all sound of this file is encrypted, and the rest is not served without it: track 2 (`soun`) is already \
         encrypted (scheme cenc)"
    );
    let other = Trak { id: 3, ..hidden(Trak::audio(MEDIA)) };
    let movie = movie(&media_first(&[Trak::video(MEDIA), Trak::audio(MEDIA), other])).unwrap();
    assert_eq!((movie.tracks.len(), movie.skipped.len()), (2, 1));
    let senc = Trak::video(MEDIA).with(full(b"senc", 0, 0, &words(&[3])));
    assert_eq!(
        refused(&[senc, Trak::audio(MEDIA)]),
        "all video of this file is encrypted, and the rest is not served without it: track 1 (`vide`) is encrypted \
         (`senc` at byte 602), though its sample entry says that it is clear"
    );
}

#[test]
fn an_edit_list_becomes_an_edit() {
    let edit = |elst: &[u32]| movie(&media_first(&[edited(elst)])).map(|movie| movie.tracks[0].edit);
    let expected =
        Edit { delay: Moment::from_millis(40), media_time: Ticks(1_000), length: Some(Moment::from_millis(80)) };
    assert_eq!(edit(&[2, 40, u32::MAX, 0x1_0000, 80, 1_000, 0x1_0000]), Ok(expected));
    // Three samples of 1,000 ticks; the last is composed 1,000 ticks after its decode time.
    assert_eq!(edit(&[1, 0, 3_999, 0x1_0000]).unwrap().media_time, Ticks(3_999));
    let at = 98 + 8 + 28 + 8 + 92 + 8;
    assert_eq!(edit(&[1, 0, 4_000, 0x1_0000]), Err(Error::EditBeyond { track: 1, at, media_time: 4_000, end: 4_000 }));
}

#[test]
fn an_extended_language_comes_first() {
    let object = media_first(&[Trak::audio(MEDIA)]);
    assert_eq!(movie(&object).unwrap().tracks[0].language.as_str(), "en");
    let mut trak = Trak::audio(MEDIA).print();
    let mdia = trak.windows(4).position(|four| four == b"mdia").unwrap() - 4;
    let elng = full(b"elng", 0, 0, b"pt-BR\0");
    for at in [0, mdia] {
        let size = u32::from_be_bytes(trak[at..at + 4].try_into().unwrap()) + elng.len() as u32;
        trak[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    trak.extend(elng);
    let object = [media_first(&[])[..98].to_vec(), crate::demux::fixture::moov(&[trak])].concat();
    assert_eq!(movie(&object).unwrap().tracks[0].language.as_str(), "pt-BR");
}

#[test]
fn a_missing_box_is_named_with_the_one_that_should_hold_it() {
    let mut object = media_first(&[Trak::video(MEDIA)]);
    let stsd = object.windows(4).position(|four| four == b"stsd").unwrap();
    object[stsd..stsd + 4].copy_from_slice(b"free");
    let (kind, within) = (FourCc(*b"stsd"), FourCc(*b"stbl"));
    assert_eq!(movie(&object).unwrap_err(), Error::Missing { kind, within, at: stsd as u64 - 12 });
    let entries = vec![visual(b"avc1", &[])];
    let error = movie(&media_first(&[Trak { entries, ..Trak::video(MEDIA) }])).unwrap_err();
    assert_eq!(error, Error::Missing { kind: FourCc(*b"avcC"), within: FourCc(*b"avc1"), at: stsd as u64 + 12 });
}
