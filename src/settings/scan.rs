//! What the parser lets through and weir does not: forms of TOML 1.1, and nesting by dots
//! without end. One pass over the bytes that knows strings, comments and brackets.

use std::ops::Range;

use super::DOTS_MAX;

/// What a look over the text found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Forms of TOML 1.1: what, and where.
    pub newer: Vec<(&'static str, Range<usize>)>,
    /// Where keys nest too deeply by dots; the text must then not be parsed.
    pub too_deep: Option<usize>,
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    found: Scanned,
    /// Open brackets: `None` for `[`, for `{` its place and what is wrong in it.
    open: Vec<Option<Open>>,
    /// Last byte that is neither space nor comment.
    last: u8,
    last_at: usize,
    dots: usize,
}

#[derive(Default)]
struct Open {
    newline: Option<usize>,
}

/// Looks over the text of a file.
pub(super) fn scan(text: &str) -> Scanned {
    let mut scan = Scan {
        text: text.as_bytes(),
        at: 0,
        found: Scanned::default(),
        open: Vec::new(),
        last: 0,
        last_at: 0,
        dots: 0,
    };
    while let Some(byte) = scan.byte() {
        scan.step(byte);
    }
    scan.found.newer.sort_by_key(|(_, span)| span.start);
    scan.found
}

impl Scan<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self, byte: u8) {
        let start = self.at;
        self.at += 1;
        match byte {
            b'#' => return self.skip_line(),
            b' ' | b'\t' | b'\r' => return,
            b'\n' => {
                self.dots = 0;
                if let Some(Some(open)) = self.open.last_mut() {
                    open.newline.get_or_insert(start);
                }
                return;
            }
            b'"' | b'\'' => self.skip_string(byte),
            b'{' => self.open.push(Some(Open::default())),
            b'[' => self.open.push(None),
            b'}' => self.close_table(start),
            b']' => {
                self.open.pop();
            }
            b'.' => {
                self.dots += 1;
                if self.dots > DOTS_MAX {
                    self.found.too_deep.get_or_insert(start);
                }
            }
            _ => {}
        }
        if matches!(byte, b'=' | b',' | b'{') {
            self.dots = 0;
        }
        self.last = byte;
        self.last_at = start;
    }

    fn close_table(&mut self, at: usize) {
        // Only tables that are closed count: an open one is the parser's to complain about.
        if let Some(Some(open)) = self.open.pop() {
            if let Some(newline) = open.newline {
                self.found.newer.push(("a new line in an inline table", newline..newline));
            }
            if self.last == b',' {
                let span = self.last_at..self.last_at + 1;
                self.found.newer.push(("a comma at the end of an inline table", span));
            }
        }
        self.at = at + 1;
    }

    fn skip_line(&mut self) {
        while self.byte().is_some_and(|b| b != b'\n') {
            self.at += 1;
        }
    }

    /// Skips to behind the end of a string whose first quote was read.
    fn skip_string(&mut self, quote: u8) {
        let long = self.text.get(self.at..self.at + 2) == Some(&[quote, quote]);
        if long {
            self.at += 2;
        }
        while let Some(byte) = self.byte() {
            self.at += 1;
            match byte {
                b'\\' if quote == b'"' => {
                    if let Some(escape @ (b'e' | b'x')) = self.byte() {
                        let what = if escape == b'e' { "the escape \\e" } else { "the escape \\x" };
                        self.found.newer.push((what, self.at - 1..self.at + 1));
                    }
                    // Not over a newline that ends a short string.
                    if self.byte().is_some_and(|b| b != b'\n' || long) {
                        self.at += 1;
                    }
                }
                b'\n' if !long => {
                    self.at -= 1;
                    return;
                }
                b if b == quote && !long => return,
                b if b == quote && self.text.get(self.at..self.at + 2) == Some(&[quote, quote]) => {
                    self.at += 2;
                    // Up to two quotes may stand before the closing three.
                    while self.byte() == Some(quote) {
                        self.at += 1;
                    }
                    return;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_forms_of_toml_1_1() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<_> = scan(text).newer.into_iter().map(|(what, _)| what).collect();
            assert_eq!(found, expected, "{text}");
        };
        let line = "a new line in an inline table";
        let comma = "a comma at the end of an inline table";
        check("a = { b = 1, c = 2 }\n", &[]);
        check("a = {}\n[x]\nb = [\n 1,\n 2,\n]\n", &[]);
        check("a = [\n { b = 1 },\n { b = 2 },\n]\n", &[]);
        check("a = {\n b = 1 }\n", &[line]);
        check("a = { b = 1, }\n", &[comma]);
        check("a = { b = 1, # c\n}\n", &[comma, line]);
        check("a = { b = [\n1,\n2\n] }\n", &[]);
        check("a = { b = \"}\", c = '{' } # {\n", &[]);
        check("a = { b = '''\n''' }\n", &[]);
        check(r#"a = "\e[0m""#, &["the escape \\e"]);
        check(r#"a = "\x41" "#, &["the escape \\x"]);
        check(r#"a = '\e\x' "#, &[]);
        check(r#"a = "\\e" "#, &[]);
        check("a = {\n", &[]);
    }

    #[test]
    fn stops_at_nesting_by_dots() {
        assert_eq!(scan(&"a.".repeat(DOTS_MAX)).too_deep, None);
        assert!(scan(&"a.".repeat(DOTS_MAX + 1)).too_deep.is_some());
        assert_eq!(scan(&format!("a = \"{}\"", "a.".repeat(999))).too_deep, None);
    }
}
