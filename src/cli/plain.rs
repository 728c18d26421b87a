//! Makes texts from strangers safe to print on a terminal.

/// Replaces each misleading character of `text` by U+FFFD.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if misleads(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal or an editor obeys `c` instead of showing it: a control character, a line end, or a change of the
/// writing direction. Unicode does not class the last two kinds as control characters.
pub(super) fn misleads(c: char) -> bool {
    let line_or_direction = matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || line_or_direction
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_stranger_s_name_moves_no_cursor_and_begins_no_line() {
        assert_eq!(plain("a\u{1b}[2J\nb\u{202e}c\u{2028}d"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}d");
    }
}
