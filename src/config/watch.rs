//! Programs, notices and alerts of config.toml.

use std::time::Duration;

use super::keys::*;
use super::plan::{AlertPlan, NotifyKind, NotifyPlan, ProgramPlan};
use super::server::suggest;
use super::words::{NotifyType, parsed};
use crate::channel::{AlertRule, Condition};
use crate::fault::Fault;
use crate::fault::codes::{W1011, W1050, W1055, W1056};
use crate::settings::Table;

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
                let _ = (table.required(&TO), table.required(&SMTP));
                let fault = Fault::new(W1050).because("this version sends no mail");
                let fault = fault.remedy("Use a `webhook`, or `exec` with a program that mails.");
                let span = table.span();
                table.error(fault, &span);
                None
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
        let when = parsed(&mut table, &ALERT_WHEN, Condition::parse);
        if let Some(when) = &when
            && !when.value.measure.available
        {
            let cause = format!("this version does not measure `{}`", when.value.measure.name);
            table.error(Fault::new(W1050).because(cause), &when.span);
        }
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
            let notify = told.map(|told| told.value).unwrap_or_default();
            let rule = AlertRule { name, condition: when.value, hold, repeat };
            alerts.push(AlertPlan { rule, on, notify });
        }
    }
    alerts
}
