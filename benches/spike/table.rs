//! Markdown tables and number formats.

/// A table: the head, then the rows.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(String::from).to_vec(), vec!["---".to_owned(); N]] }
    }

    /// Adds a row with as many cells as the head.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "a row needs as many cells as the head");
        self.rows.push(cells);
    }

    /// The table's lines, each with a line end.
    pub(crate) fn text(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| row.join(" | ")).collect();
        format!("| {} |\n", rows.join(" |\n| "))
    }

    /// Prints it under a heading.
    pub(crate) fn print(&self, heading: &str) {
        println!("\n## {heading}\n\n{}", self.text());
    }
}

/// Whether a figure meets its floor.
pub(crate) fn met(figure: f64, floor: f64) -> String {
    if figure <= floor { "yes" } else { "**no**" }.into()
}

/// Bytes as MB.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// Bytes as MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
