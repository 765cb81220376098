//! What a command sees of the terminal: format, color, questions, where results go.

use std::io::{BufWriter, IsTerminal, Stdout, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::{ColorChoice, Format, Global};
use super::exit::{Exit, Stop};
use super::table::Table;
use crate::fault::{DrawStyle, Problem, Severity, draw};

/// The terminal and the global options of one command.
pub struct Shell {
    out: BufWriter<Stdout>,
    /// How results are written.
    pub format: Format,
    /// Whether results may have color.
    pub color: bool,
    /// Says only results.
    pub quiet: bool,
    /// Says more.
    pub verbose: bool,
    /// Answers yes to questions.
    pub yes: bool,
    /// Stops after the plan.
    pub dry_run: bool,
    /// Why, for the audit record.
    pub reason: Option<String>,
    /// Root of the configuration.
    pub root: PathBuf,
    /// Site whose differences apply.
    pub site: Option<String>,
}

/// A progress bar on a terminal; hidden elsewhere and when `-q` is given.
pub fn progress(shell: &Shell, length: u64, what: &'static str) -> indicatif::ProgressBar {
    if shell.quiet || !stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {per_sec}")
        .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(length).with_style(style).with_message(what)
}

/// A color of meaning; the word beside it always says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Fine.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
}

impl Shell {
    /// Reads the global options and looks at the terminal.
    pub fn new(global: &Global) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
        let color = match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                set("CLICOLOR_FORCE") || (stdout().is_terminal() && !set("NO_COLOR"))
            }
        };
        Self {
            out: BufWriter::new(stdout()),
            format: if global.json { Format::Json } else { global.output },
            color: color && global.output == Format::Text && !global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            yes: global.yes,
            dry_run: global.dry_run,
            reason: global.reason.clone(),
            root: global.directory.clone().unwrap_or_else(|| PathBuf::from(".")),
            site: global.site.clone(),
        }
    }

    /// Whether results are for people.
    pub fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Writes a line of the result.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), Stop> {
        writeln!(self.out, "{}", text.as_ref()).map_err(Stop::io)
    }

    /// Writes bytes of the result as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.out.write_all(bytes).map_err(Stop::io)
    }

    /// Where results go, for writers that write on their own.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Writes a JSON result: on many lines for `json`, on one for `jsonl`.
    pub fn json(&mut self, value: &Value) -> Result<(), Stop> {
        let text = match self.format {
            Format::Jsonl => value.to_string(),
            _ => serde_json::to_string_pretty(value).unwrap_or_default(),
        };
        self.line(text)
    }

    /// Writes a table for people.
    pub fn table(&mut self, table: &Table) -> Result<(), Stop> {
        let text = table.draw();
        self.raw(text.as_bytes())
    }

    /// Makes what was written so far visible.
    pub fn flush(&mut self) -> Result<(), Stop> {
        self.out.flush().map_err(Stop::io)
    }

    /// Says something beside the result, on stderr.
    pub fn note(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = self.flush();
            let _ = writeln!(stderr(), "{}", text.as_ref());
        }
    }

    /// Colors a text of the result, where colors are wanted.
    pub fn paint(&self, tone: Tone, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Asks before something that is hard to undo. Without a terminal `--yes` is needed.
    pub fn confirm(&mut self, question: &str) -> Result<(), Stop> {
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            let text = format!("{question}: without a terminal this needs `--yes`");
            return Err(Stop::Said(Exit::NotAllowed, text));
        }
        self.flush()?;
        let _ = write!(stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        stdin().read_line(&mut answer).map_err(Stop::io)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Stop::Said(Exit::NotAllowed, "nothing was done".to_owned()))
    }

    /// The reason given with `--reason`, which this action needs.
    pub fn reason_needed(&self, what: &str) -> Result<String, Stop> {
        self.reason.clone().filter(|r| !r.trim().is_empty()).ok_or_else(|| {
            let text = format!("{what} needs a reason: add `--reason \"..\"`");
            Stop::Said(Exit::NotAllowed, text)
        })
    }

    /// Draws problems on stderr, with the line each speaks about.
    pub fn problems<'p>(
        &mut self,
        problems: impl Iterator<Item = &'p Problem>,
        source: impl Fn(&str) -> Option<String>,
    ) {
        let color =
            self.color || (stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
        let style = if color { DrawStyle::Color } else { DrawStyle::Plain };
        for problem in problems {
            let least = match (self.quiet, self.verbose) {
                (true, _) => Severity::Error,
                (false, false) => Severity::Warning,
                (false, true) => Severity::Note,
            };
            if problem.severity < least {
                continue;
            }
            let text = problem.fault.place().file.as_ref().and_then(|place| source(&place.file));
            let _ = self.flush();
            let _ = writeln!(stderr(), "{}\n", draw(problem, text.as_deref(), style));
        }
    }

    /// Says why the command stopped, and gives its exit code.
    pub fn explain(&mut self, stop: &Stop) -> Exit {
        let _ = self.flush();
        match stop {
            Stop::Pipe => Exit::Done,
            Stop::Exit(exit) => *exit,
            Stop::Said(exit, text) => {
                let _ = writeln!(stderr(), "weir: {text}");
                *exit
            }
            Stop::Fault(fault, exit) => {
                let problem = Problem { severity: Severity::Error, fault: fault.clone() };
                self.problems(std::iter::once(&problem), |file| {
                    std::fs::read_to_string(Path::new(file)).ok()
                });
                *exit
            }
        }
    }
}
