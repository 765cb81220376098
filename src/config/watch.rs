//! Programs, notices and alerts of config.toml.

use std::sync::Arc;
use std::time::Duration;

use super::keys::*;
use super::plan::{AlertPlan, NotifyKind, NotifyPlan, ProgramPlan};
use super::server::suggest;
use super::words::{NotifyType, parsed};
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1053, W1055, W1056};
use crate::settings::{Table, nearest};

/// What alerts can compare.
pub(super) const MEASURES: &[&str] = &[
    "queue.messages",
    "queue.oldest",
    "dead.new",
    "source.silent",
    "destination.down",
    "error.rate",
    "latency.p99",
    "ledger.unaccounted",
    "cert.days",
    "disk.free",
    "backup.age",
    "breakglass.unreviewed",
    "reload.failed",
    "audit.invalid",
];

pub(super) fn programs(root: &mut Table<'_>) -> Vec<ProgramPlan> {
    let mut programs = Vec::new();
    for (name, mut table) in root.tables("exec") {
        let argv = table.required_spanned(&ARGV);
        let timeout = table.or(&PROGRAM_TIMEOUT, Duration::from_secs(5));
        if let Some(argv) = &argv
            && argv.value.first().is_none_or(String::is_empty)
        {
            table.error(Fault::new(W1011).because("names no program"), &argv.span);
        }
        table.finish();
        let argv = argv.map(|argv| argv.value).unwrap_or_default();
        programs.push(ProgramPlan { name: name.value.into(), argv, timeout });
    }
    programs
}

pub(super) fn notify(root: &mut Table<'_>, programs: &[ProgramPlan]) -> Vec<NotifyPlan> {
    let mut all = Vec::new();
    for (name, mut table) in root.tables("notify") {
        let kind = match table.required(&NOTIFY_TYPE) {
            Some(NotifyType::Webhook) => {
                table.required(&URL).map(|url| NotifyKind::Webhook { url })
            }
            Some(NotifyType::Email) => {
                let (to, server) = (table.required(&TO), table.required(&SMTP));
                to.zip(server).map(|(to, server)| NotifyKind::Email { to, server })
            }
            Some(NotifyType::Exec) => table.required_spanned(&PROGRAM).map(|program| {
                if !programs.iter().any(|p| p.name == program.value) {
                    let known = programs.iter().map(|p| &*p.name);
                    table.error(suggest(Fault::new(W1055), &program.value, known), &program.span);
                }
                NotifyKind::Exec { program: program.value }
            }),
            None => {
                // Nothing is known of the other keys then.
                let _ = table.entries();
                None
            }
        };
        table.finish();
        all.extend(kind.map(|kind| NotifyPlan { name: name.value.into(), kind }));
    }
    all
}

pub(super) fn alerts(root: &mut Table<'_>, notify: &[NotifyPlan]) -> Vec<AlertPlan> {
    let mut alerts = Vec::new();
    for mut table in root.array("alert") {
        let name = table.required(&ALERT_NAME);
        let when = parsed(&mut table, &ALERT_WHEN, alert_condition);
        if !table.has("when") {
            let _ = table.required(&ALERT_WHEN);
        }
        let hold = table.or(&ALERT_FOR, Duration::ZERO);
        let on = table.or(&ALERT_ON, Vec::new());
        let told = table.spanned(&ALERT_NOTIFY);
        let repeat = table.or(&ALERT_REPEAT, Duration::from_secs(4 * 3600));
        for who in told.iter().flat_map(|told| &told.value) {
            if !notify.iter().any(|plan| plan.name == *who) {
                let span = told.as_ref().map_or(0..0, |told| told.span.clone());
                let known = notify.iter().map(|plan| &*plan.name);
                table.error(suggest(Fault::new(W1056), who, known), &span);
            }
        }
        table.finish();
        if let (Some(name), Some(when)) = (name, when) {
            let (measure, above, threshold) = when.value;
            let notify = told.map(|told| told.value).unwrap_or_default();
            alerts.push(AlertPlan { name, measure, above, threshold, hold, on, notify, repeat });
        }
    }
    alerts
}

/// `queue.oldest > 5m`: measure, above, threshold.
fn alert_condition(text: &str) -> Result<(&'static str, bool, Arc<str>), Fault> {
    let wrong = || {
        Fault::new(W1053)
            .because("a condition of an alert looks like `queue.oldest > 5m`")
            .remedy("Write a measure, `>` or `<`, and a threshold with its unit.")
    };
    let at = text.find(['<', '>']).ok_or_else(wrong)?;
    let (measure, rest) = text.split_at(at);
    let above = rest.starts_with('>');
    let threshold = rest.get(1..).unwrap_or_default().trim();
    let measure = measure.trim();
    let Some(known) = MEASURES.iter().find(|known| **known == measure) else {
        let fault = Fault::new(W1053).because(format!("nothing is measured as `{measure}`"));
        return Err(match nearest(measure, MEASURES.iter().copied()) {
            Some(near) => fault.remedy(format!("did you mean `{near}`?")),
            None => fault.remedy(format!("Use one of {}.", MEASURES.join(", "))),
        });
    };
    let number = threshold.bytes().take_while(u8::is_ascii_digit).count();
    if number == 0 || threshold.starts_with('=') {
        return Err(wrong());
    }
    Ok((known, above, threshold.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_alerts_are_checked() {
        let check = |text: &str, expected: Option<(&str, bool, &str)>| {
            let read = alert_condition(text).ok();
            let read = read.as_ref().map(|(measure, above, rest)| (*measure, *above, &**rest));
            assert_eq!(read, expected, "{text}");
        };
        check("queue.oldest > 5m", Some(("queue.oldest", true, "5m")));
        check("disk.free<5 GiB", Some(("disk.free", false, "5 GiB")));
        check("queue.odlest > 5m", None);
        check("queue.oldest >= 5m", None);
        check("queue.oldest > m", None);
        check("queue.oldest", None);
    }
}
