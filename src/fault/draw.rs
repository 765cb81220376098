//! Drawing of problems under the line they speak about.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::{Problem, Severity};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawStyle {
    /// Without color, for files and pipes.
    Plain,
    /// With ANSI colors, for terminals.
    Color,
}

/// Draws one problem for people; `source` gives the text of the file it names.
///
/// The text ends without a newline.
#[must_use]
pub fn draw(problem: &Problem, source: Option<&str>, style: DrawStyle) -> String {
    let fault = &problem.fault;
    let renderer = match style {
        DrawStyle::Plain => Renderer::plain(),
        DrawStyle::Color => Renderer::styled(),
    }
    .decor_style(DecorStyle::Unicode);
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let phrase = fault.code().row().phrase;
    let title = match (fault.place().file.as_ref().and(source), fault.cause()) {
        (None, _) if !fault.place().is_empty() => {
            let cause = fault.cause().map(|c| format!(": {c}")).unwrap_or_default();
            format!("{}: {phrase}{cause}", fault.place())
        }
        (None, Some(cause)) => format!("{phrase}: {cause}"),
        _ => phrase.to_owned(),
    };
    let mut group = level.primary_title(title).id(fault.code().as_str()).elements(
        fault.place().file.as_ref().zip(source).map(|(place, text)| {
            let end = place.span.end.min(text.len());
            let start = place.span.start.min(end);
            let annotation = AnnotationKind::Primary.span(start..end);
            let annotation = match fault.cause() {
                Some(cause) => annotation.label(cause.to_owned()),
                None => annotation,
            };
            Snippet::source(text.to_owned()).path(place.file.to_string()).annotation(annotation)
        }),
    );
    let help = format!("{}  (more: weir errors {})", fault.help(), fault.code());
    group = group.element(Level::HELP.message(help));
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, FilePlace, codes::W9001};

    #[test]
    fn points_at_the_line() {
        let text = "[consent]\non_unknwon = \"deny\"\n";
        let place = FilePlace::find("channels/lab.toml", text, 10..20);
        let fault = Fault::new(W9001)
            .at(place)
            .because("not a key of [consent]")
            .remedy("did you mean `on_unknown`?");
        let problem = Problem { severity: Severity::Error, fault };
        insta::assert_snapshot!(draw(&problem, Some(text), DrawStyle::Plain));
    }

    #[test]
    fn stands_alone_without_a_file() {
        let fault = Fault::new(W9001).because("seen in a test");
        let problem = Problem { severity: Severity::Warning, fault };
        insta::assert_snapshot!(draw(&problem, None, DrawStyle::Plain));
    }
}
