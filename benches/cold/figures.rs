//! Turns measurements into tables.

use crate::case::{Case, HOURS, Index, Place};
use crate::machine;
use crate::requests::{chain, format_requests};
use crate::s3::ROUND_TRIP;
use crate::scene::{Answered, Turn};
use crate::table::{Table, megabytes, met};

/// Floor for a playlist with its index on the same disk, in milliseconds to the first byte.
const PLAYLIST: f64 = 3.0;

/// The floor for a segment.
const SEGMENT: f64 = 4.0;

/// Floor of round trips for a film in an object store with its index on the disk.
const ROUND_TRIPS: usize = 2;

/// Measurements of all cases.
#[derive(Debug)]
pub(crate) struct Figures {
    headers: Vec<usize>,
    /// In the order of `Case::ALL`.
    turns: Vec<Vec<Turn>>,
}

impl Figures {
    pub(crate) fn new(headers: &[usize]) -> Self {
        Self { headers: headers.to_vec(), turns: Case::ALL.iter().map(|_| Vec::new()).collect() }
    }

    pub(crate) fn add(&mut self, case: Case, turn: Turn) {
        let at = Case::ALL.iter().position(|each| *each == case).unwrap();
        self.turns[at].push(turn);
    }

    /// Text of the document's section.
    pub(crate) fn text(&self) -> String {
        let headers: Vec<String> = HOURS
            .iter()
            .zip(&self.headers)
            .map(|(hours, bytes)| format!("{} MB of the film of {hours} hours", megabytes(*bytes as u64)))
            .collect();
        format!(
            "\nHeaders: {}. Answers of S3 come {} ms after their requests. Two servers of each case in each of {} turns. {}.\n\n{}\n{}\n",
            headers.join(", "),
            ROUND_TRIP.as_millis(),
            self.turns[0].len(),
            machine::in_short(),
            self.times().text(),
            self.reads().text(),
        )
    }

    fn times(&self) -> Table {
        let mut table = Table::new([
            "ms to the first byte: median (least–p90)",
            "playlist, first of all",
            "whole",
            "wanted",
            "segment, first of all",
            "whole",
            "wanted",
            "segment behind the playlist",
            "whole",
        ]);
        for (case, turns) in Case::ALL.into_iter().zip(&self.turns) {
            let (playlist, segment) = (column(turns, playlist), column(turns, segment));
            table.row(vec![
                case.name(),
                playlist.format_first_byte(),
                playlist.whole(),
                wanted(case, &playlist, PLAYLIST),
                segment.format_first_byte(),
                segment.whole(),
                wanted(case, &segment, SEGMENT),
                column(turns, next).format_first_byte(),
                column(turns, next).whole(),
            ]);
        }
        table
    }

    fn reads(&self) -> Table {
        let mut table = Table::new([
            "what it took",
            "playlist, first of all",
            "segment, first of all",
            "segment behind the playlist",
            "wanted",
            "met",
        ]);
        for (case, turns) in Case::ALL.into_iter().zip(&self.turns) {
            let columns = [column(turns, playlist), column(turns, segment), column(turns, next)];
            let [first, second, third] = columns.each_ref().map(|column| column.took(case.place));
            let kept = case.index == Index::Kept;
            let headers: u64 = columns.iter().flat_map(|column| &column.answers).map(|answer| answer.moov_reads).sum();
            let trips = columns.iter().flat_map(|column| &column.answers).map(|answer| round_trips(answer)).max();
            let (what, right) = match case.place {
                Place::Disk => ("no headers".to_owned(), headers == 0),
                Place::S3 => {
                    let right = headers == 0 && trips.is_some_and(|trips| trips <= ROUND_TRIPS);
                    (format!("no headers, ≤ {ROUND_TRIPS} round trips"), right)
                }
            };
            let met = if right { "yes" } else { "**no**" };
            let [what, met] = if kept { [what, met.to_owned()] } else { [String::new(), String::new()] };
            table.row(vec![case.name(), first, second, third, what, met]);
        }
        table
    }
}

const fn playlist(turn: &Turn) -> &Answered {
    &turn.playlist
}

const fn segment(turn: &Turn) -> &Answered {
    &turn.segment
}

const fn next(turn: &Turn) -> &Answered {
    &turn.next
}

/// One kind of response over all turns.
struct Column<'a> {
    answers: Vec<&'a Answered>,
}

fn column(turns: &[Turn], of: impl Fn(&Turn) -> &Answered) -> Column<'_> {
    Column { answers: turns.iter().map(of).collect() }
}

impl Column<'_> {
    /// The figures, sorted in ascending order.
    fn sorted(&self, of: impl Fn(&Answered) -> f64) -> Vec<f64> {
        let mut figures: Vec<f64> = self.answers.iter().map(|answer| of(answer)).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }

    /// Median time to the first byte, in milliseconds.
    fn middle(&self) -> f64 {
        self.sorted(|answer| answer.first)[self.answers.len() / 2]
    }

    /// Median, minimum and 90th percentile of the time to the first byte.
    fn format_first_byte(&self) -> String {
        let figures = self.sorted(|answer| answer.first);
        let high = figures[(figures.len() * 9).div_ceil(10) - 1];
        format!("**{:.1}** ({:.1}–{high:.1})", self.middle(), figures[0])
    }

    fn whole(&self) -> String {
        format!("{:.1}", self.sorted(|answer| answer.whole)[self.answers.len() / 2])
    }

    /// Requests in the turn with the most, and bytes read.
    fn took(&self, place: Place) -> String {
        let most = self.answers.iter().max_by_key(|answer| (round_trips(answer), answer.asked.len())).unwrap();
        let headers = if most.moov_reads > 0 { ", headers read" } else { "" };
        let read = format!("{} MB{headers}", megabytes(most.read));
        match (place, most.asked.len()) {
            (Place::Disk, _) => read,
            (Place::S3, 0) => format!("nothing asked; {read}"),
            (Place::S3, _) => {
                let (trips, time) = (round_trips(most), self.middle());
                let plural = if trips == 1 { "" } else { "s" };
                let time = time / (ROUND_TRIP.as_secs_f64() * 1e3);
                format!("{trips} round trip{plural} ({time:.1} in time): {}; {read}", format_requests(&most.asked))
            }
        }
    }
}

fn round_trips(answer: &Answered) -> usize {
    chain(&answer.asked, answer.began)
}

/// The floor in milliseconds and whether it is met; round trips are in the other table.
fn wanted(case: Case, column: &Column<'_>, floor: f64) -> String {
    match (case.place, case.index) {
        (Place::Disk, Index::Kept) => {
            format!("≤ {floor}: {}", met(column.middle(), floor))
        }
        (Place::Disk | Place::S3, Index::None) | (Place::S3, Index::Kept) => String::new(),
    }
}
