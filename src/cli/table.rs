//! Tables for people: left-aligned words, right-aligned numbers, no lines.

/// Rows under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table. A heading that starts with `>` is of a column of numbers.
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text, each line ended.
    pub fn draw(&self) -> String {
        let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
        let widths: Vec<usize> = self
            .headings
            .iter()
            .enumerate()
            .map(|(at, heading)| {
                let cells = self.rows.iter().map(|row| width(&cell(row, at)));
                cells.max().unwrap_or(0).max(width(heading.trim_start_matches('>')))
            })
            .collect();
        let mut text = String::new();
        let headings = self.headings.iter().map(|h| h.trim_start_matches('>').to_owned()).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (at, space) in widths.iter().enumerate() {
                let value = cell(row, at);
                let pad = " ".repeat(space.saturating_sub(width(&value)));
                let number = self.headings.get(at).is_some_and(|h| h.starts_with('>'));
                line.push_str(if at > 0 { "  " } else { "" });
                if number {
                    line.push_str(&pad);
                    line.push_str(&value);
                } else {
                    line.push_str(&value);
                    line.push_str(&pad);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Characters that a text takes on a terminal, colors left out.
fn width(text: &str) -> usize {
    let mut count = 0;
    let mut in_escape = false;
    for c in text.chars() {
        match (in_escape, c) {
            (false, '\x1b') => in_escape = true,
            (true, 'm') => in_escape = false,
            (false, _) => count += 1,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_words_left_and_numbers_right() {
        let mut table = Table::new(&["CHANNEL", ">WAIT"]);
        table.row(["adt-main".to_owned(), "1281".to_owned()]);
        table.row(["\x1b[31mx\x1b[0m".to_owned(), "0".to_owned()]);
        table.row(["short".to_owned()]);
        let text = table.draw();
        assert_eq!(text.lines().next(), Some("CHANNEL   WAIT"));
        assert!(text.contains("adt-main  1281\n"));
        assert!(text.contains("\x1b[31mx\x1b[0m            0\n"));
        assert!(text.ends_with("short\n"));
    }
}
