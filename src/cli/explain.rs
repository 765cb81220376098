//! `weir explain`: where each output value comes from, and what nobody used.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::args::ExplainArgs;
use super::exit::{Exit, Stop};
use super::shell::{Shell, Tone};
use super::table::Table;
use super::{check, read_file, view};
use crate::config::ChannelPlan;
use crate::fault::Fault;
use crate::hl7v2::batch;
use crate::mapping::{Lineage, Mapping};
use crate::message::{Fate, Stage};
use crate::settings::nearest;
use crate::source::{SourceKind, Split};
use crate::tool::rehearsal::Rehearsal;

/// Most targets that are named when none matches: a screen is not filled with them.
const NAMED_MAX: usize = 8;

/// Says which targets there are, when the path asked for is in none of them.
fn known_target(path: &str, sheets: &[Sheet]) -> Result<(), Stop> {
    let rows = sheets.iter().filter_map(|sheet| sheet.lineage.as_ref()).flat_map(|l| &l.rows);
    let targets: Vec<&str> = rows.map(|row| row.target.as_str()).collect();
    if targets.iter().any(|target| target.contains(path)) {
        return Ok(());
    }
    let said = |text: String| Err(Stop::Said(Exit::NotFound, text));
    if targets.is_empty() {
        return said(format!("no target has `{path}` in it: this message is not mapped here"));
    }
    let end = |target: &str| target.rsplit('.').next().unwrap_or_default().to_owned();
    let ends: Vec<String> = targets.iter().map(|target| end(target)).collect();
    let near = nearest(path, targets.iter().copied()).map(str::to_owned).or_else(|| {
        let last = nearest(&end(path), ends.iter().map(String::as_str))?;
        let at = ends.iter().position(|end| end == last)?;
        targets.get(at).map(|target| (*target).to_owned())
    });
    let head = format!("no target has `{path}` in it");
    match near {
        Some(near) => said(format!("{head}; did you mean `{near}`?")),
        None => {
            let more = targets.len().saturating_sub(NAMED_MAX);
            let some: Vec<&str> = targets.into_iter().take(NAMED_MAX).collect();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            said(format!("{head}; there are: {}{rest}", some.join(", ")))
        }
    }
}

/// The rehearsal of a channel by its name.
pub fn rehearsal(channel: &str, shell: &mut Shell) -> Result<Rehearsal, Stop> {
    Ok(rehearsal_of(channel, shell)?.1)
}

fn rehearsal_of(channel: &str, shell: &mut Shell) -> Result<(Arc<ChannelPlan>, Rehearsal), Stop> {
    let (plan, _) = check::load_or_stop(shell, Exit::No)?;
    let Some(found) = plan.channel(channel) else {
        let names: Vec<&str> = plan.channels.iter().map(|c| c.name().as_str()).collect();
        let text = format!("no channel `{channel}`; there are: {}", names.join(", "));
        return Err(Stop::Said(Exit::NotFound, text));
    };
    let rules = found.rules.clone();
    let mut rehearsal =
        Rehearsal::new(rules, None).arriving_by(&found.source.kind).with_keys_of_its_own();
    for file in &plan.server.consent.directives {
        let bytes = Bytes::from(read_file(file)?);
        let doc = crate::fhir::Doc::parse_json(bytes)?;
        let (directive, patients) = crate::consent::accept(&doc)?;
        for patient in patients {
            rehearsal = rehearsal.with_consents(patient, vec![directive.clone()].into());
        }
    }
    Ok((found.clone(), rehearsal))
}

pub fn run(args: &ExplainArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let (plan, rehearsal) = rehearsal_of(&args.channel, shell)?;
    let bytes = Bytes::from(read_file(&args.file)?);
    let messages = messages(&plan, bytes)?;
    let (mut exit, mut documents) = (Exit::Done, Vec::new());
    for (at, bytes) in messages.iter().enumerate() {
        if shell.is_text() && messages.len() > 1 {
            let gap = if at > 0 { "\n" } else { "" };
            let head = format!("{gap}message {} of {}", at + 1, messages.len());
            let head = shell.paint(Tone::Strong, head);
            shell.line(head)?;
        }
        let (document, ended) = one(&rehearsal, bytes.clone(), args, shell)?;
        documents.extend(document);
        if ended != Exit::Done {
            exit = ended;
        }
    }
    if !shell.is_text() {
        let document = match <[Json; 1]>::try_from(documents) {
            Ok([document]) => document,
            Err(documents) => {
                json!({ "schema": "weir.explain-batch.v1", "messages": documents })
            }
        };
        shell.json(&document)?;
    }
    Ok(exit)
}

/// The messages of a file, as the source of the channel would cut it.
fn messages(plan: &ChannelPlan, bytes: Bytes) -> Result<Vec<Bytes>, Fault> {
    match &plan.source.kind {
        SourceKind::File(file) if file.split == Split::Hl7Batch => {
            Ok(batch::split(&bytes)?.messages)
        }
        SourceKind::File(_)
        | SourceKind::Mllp(_)
        | SourceKind::Fhir(_)
        | SourceKind::FhirBulk(_)
        | SourceKind::FhirSubscription(_) => Ok(vec![bytes]),
    }
}

/// Explains one message. Gives the document where JSON is asked for.
fn one(
    rehearsal: &Rehearsal,
    bytes: Bytes,
    args: &ExplainArgs,
    shell: &mut Shell,
) -> Result<(Option<Json>, Exit), Stop> {
    let content = view::parse_as(bytes.clone(), rehearsal.rules().charset)?;
    let processed = rehearsal.process(bytes);
    let record = &processed.record;
    let mut sheets: Vec<Sheet> = Vec::new();
    for owed in &record.owed {
        let rules = rehearsal.rules().destination(&owed.destination);
        let mapping = rules.and_then(|rules| rules.mapping.as_ref());
        let notes: Vec<String> = record
            .trail
            .steps
            .iter()
            .filter(|step| step.destination.as_deref() == Some(owed.destination.as_str()))
            .filter(|step| step.stage != Stage::Commit)
            .filter_map(|step| Some(format!("{} {}", step.stage.name(), step.note.as_deref()?)))
            .collect();
        let fate = match &owed.fate {
            Fate::Dead(fault) => {
                let cause = fault.cause.as_deref().unwrap_or_default();
                format!("dead {} {} {cause}", fault.code, fault.place).trim_end().to_owned()
            }
            Fate::Filtered(rule) => format!("filtered by {rule}"),
            fate => fate.state().name().to_owned(),
        };
        let lineage = match mapping {
            Some(mapping) => Some(mapping.explain(&content, &rehearsal.rules().site)?.1),
            None => None,
        };
        let same = sheets.iter_mut().find(|sheet| match (&sheet.mapping, mapping) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        });
        let name = owed.destination.to_string();
        match same {
            Some(sheet) => sheet.destinations.push((name, fate, notes)),
            None => sheets.push(Sheet {
                mapping: mapping.cloned(),
                destinations: vec![(name, fate, notes)],
                lineage,
            }),
        }
    }
    if let Some(path) = &args.only {
        known_target(path, &sheets)?;
    }
    let ack = processed.reply.code_text();
    if !shell.is_text() {
        let sheets: Vec<_> = sheets.iter().map(|sheet| sheet.json(args.only.as_deref())).collect();
        let document = json!({
            "schema": "weir.explain.v1", "channel": args.channel,
            "type": &*record.message_type, "version": &*record.version, "ack": ack,
            "fault": record.fault.as_ref().map(|f| &*f.code), "outputs": sheets,
        });
        return Ok((Some(document), Exit::Done));
    }
    // FHIR has no acknowledgment codes.
    let ack = match ack {
        "" if processed.reply.accepted => "accepted",
        "" => "refused",
        ack => ack,
    };
    let head =
        format!("{}  {} {}  answer {ack}", args.channel, record.message_type, record.version);
    let head = shell.paint(Tone::Strong, head);
    shell.line(head)?;
    if let Some(fault) = &processed.reply.fault {
        shell.line(format!("  {fault}\n  help: {}", fault.help()))?;
    }
    for sheet in &sheets {
        sheet.show(args.only.as_deref(), shell)?;
    }
    Ok((None, if processed.reply.accepted { Exit::Done } else { Exit::No }))
}

/// What goes to the destinations that share one mapping.
struct Sheet {
    mapping: Option<Arc<Mapping>>,
    /// Name, fate and notes of each.
    destinations: Vec<(String, String, Vec<String>)>,
    lineage: Option<Lineage>,
}

impl Sheet {
    fn show(&self, only: Option<&str>, shell: &mut Shell) -> Result<(), Stop> {
        for (name, fate, notes) in &self.destinations {
            let notes = if notes.is_empty() { String::new() } else { notes.join(" · ") };
            let name = shell.paint(Tone::Strong, name);
            shell.line(format!("\n{name}  {fate}  {notes}"))?;
        }
        let Some(lineage) = &self.lineage else {
            return shell.line("  passed on as it came");
        };
        let mut table = Table::new(&["TARGET", "SOURCE", "VALUE", "RULE"]);
        let wanted = |target: &str| only.is_none_or(|path| target.contains(path));
        for row in lineage.rows.iter().filter(|row| wanted(&row.target)) {
            let code = row.code_row.as_ref().map(|c| format!("  {c}")).unwrap_or_default();
            let value: String = row.value.reveal().chars().take(40).collect();
            table.row([
                row.target.clone(),
                row.source.clone(),
                value.replace(['\r', '\n'], " / "),
                format!("{}{code}", row.rule),
            ]);
        }
        shell.table(&table)?;
        let unused: Vec<String> = lineage
            .unused
            .iter()
            .map(|u| format!("{} {}", u.path, u.name.as_deref().unwrap_or_default()))
            .collect();
        if !unused.is_empty() && only.is_none() {
            let head = shell.paint(Tone::Warn, "NOT USED");
            shell.line(format!("{head}  {}", unused.join(" · ")))?;
        }
        Ok(())
    }

    fn json(&self, only: Option<&str>) -> serde_json::Value {
        let destinations: Vec<_> = self
            .destinations
            .iter()
            .map(|(name, fate, notes)| json!({ "name": name, "fate": fate, "notes": notes }))
            .collect();
        let wanted = |target: &str| only.is_none_or(|path| target.contains(path));
        let values = self.lineage.as_ref().map(|lineage| {
            let rows = lineage.rows.iter().filter(|row| wanted(&row.target));
            rows.map(|row| {
                json!({
                    "target": row.target, "source": row.source, "value": row.value.reveal(),
                    "rule": row.rule, "code": row.code_row,
                })
            })
            .collect::<Vec<_>>()
        });
        let unused = self.lineage.as_ref().map(|lineage| {
            let rows = lineage.unused.iter();
            rows.map(|u| json!({ "path": u.path, "name": u.name })).collect::<Vec<_>>()
        });
        json!({
            "destinations": destinations, "values": values, "unused": unused,
        })
    }
}
