//! Tables for people: aligned columns, readable sizes, durations and dates. Names come from strangers: control
//! characters in them never reach the terminal.

use crate::cli::plain::plain;
use indicatif::DecimalBytes;
use std::fmt::Write as _;

/// Space between two columns.
const GAP: &str = "  ";

/// Printed in place of an empty cell.
const NOTHING: &str = "-";

/// Rows under a head; every row has as many cells as the head.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&cell| cell.into()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// Formats the table; `nothing` if it has no rows.
    pub(super) fn print(&self, nothing: &str) -> String {
        if self.rows.is_empty() {
            return format!("{nothing}\n");
        }
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|line| Some(line.get(column)?.chars().count())).max();
        let widths: Vec<usize> = (0..self.head.len()).filter_map(width).collect();
        let mut text = String::new();
        for line in lines() {
            let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join(GAP);
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// A cell that may be empty.
pub(super) fn maybe(cell: Option<String>) -> String {
    cell.filter(|cell| !cell.is_empty()).unwrap_or_else(|| NOTHING.into())
}

/// Formats bytes: `1.91 MB`.
pub(super) fn size(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// Formats a duration in milliseconds: `1:02:03`, `0:48`.
pub(super) fn length(millis: u64) -> String {
    let seconds = millis.saturating_add(500) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Formats a time in milliseconds since 1970: `2026-11-28 18:05`, UTC.
pub(super) fn date(millis: i64) -> String {
    let minutes = millis.div_euclid(60_000);
    let (day, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    // Days of a calendar whose years begin in March, where the leap day is the last: Hinnant, "chrono-compatible
    // low-level date algorithms", civil_from_days.
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::{Table, date, length, size};

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(&["NAME", "SIZE"]);
        assert_eq!(table.print("nothing"), "nothing\n");
        table.row(&["films/nächte".into(), "1 B".into()]);
        table.row(&["a".into(), "20 B".into()]);
        assert_eq!(table.print("nothing"), "NAME          SIZE\nfilms/nächte  1 B\na             20 B\n");
    }

    #[test]
    fn figures_are_as_one_reads_them() {
        assert_eq!((size(1_914_919).as_str(), size(999).as_str()), ("1.91 MB", "999 B"));
        assert_eq!((length(48_048), length(3_723_400), length(0)), ("0:48".into(), "1:02:03".into(), "0:00".into()));
    }

    #[test]
    fn a_date_is_that_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(951_782_399_999), "2000-02-28 23:59");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00");
        assert_eq!(date(1_709_251_199_000), "2024-02-29 23:59");
        assert_eq!(date(1_795_889_140_000), "2026-11-28 18:05");
        assert_eq!(date(-1), "1969-12-31 23:59");
    }
}
