//! `weir records`: what the record store holds, and one version of a resource. Exports are
//! in `records_export`.

use super::args::{RecordsAction, RecordsArgs};
use super::block_on;
use super::client::{Server, escaped};
use super::exit::{Exit, Stop};
use super::records_export::Asked;
use super::shell::Shell;
use super::status::{list, word};
use super::table::Table;

pub fn run(args: &RecordsArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let server = Server::find(shell)?;
    match &args.action {
        RecordsAction::Ls => ls(&server, shell),
        RecordsAction::Show { address, collection } => show(&server, collection, address, shell),
        RecordsAction::Export { to, collection, kinds, since } => {
            let asked = Asked { to, collection, kinds, since: since.as_deref() };
            super::records_export::run(&server, &asked, shell)
        }
    }
}

fn ls(server: &Server, shell: &mut Shell) -> Result<Exit, Stop> {
    let answer = block_on(server.get("/api/v1/records"))?;
    if !shell.is_text() {
        shell.json(&answer)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["COLLECTION", "TYPE", ">RESOURCES", ">VERSIONS"]);
    for shelf in list(&answer, "shelves") {
        let cells = ["collection", "type", "resources", "versions"];
        table.row(cells.iter().map(|key| word(shelf, key)));
    }
    shell.table(&table)?;
    Ok(Exit::Done)
}

/// Shows the resource as it is kept, so that it may be piped on.
fn show(server: &Server, collection: &str, address: &str, shell: &mut Shell) -> Result<Exit, Stop> {
    let reason = shell.reason_needed("a look at a resource")?;
    let (name, version) = match address.split_once("/_history/") {
        Some((name, version)) => (name, Some(version)),
        None => (address, None),
    };
    let wrong = || {
        let text = "name a resource as `Patient/ID` or `Patient/ID/_history/2`".to_owned();
        Stop::Said(Exit::Usage, text)
    };
    let (kind, id) = name.split_once('/').ok_or_else(wrong)?;
    let version = match version {
        Some(version) => {
            let number: u64 = version.parse().map_err(|_| wrong())?;
            format!("&version={number}")
        }
        None => String::new(),
    };
    let path = format!(
        "/api/v1/records/{}/{}/{}?reason={}{version}",
        escaped(collection),
        escaped(kind),
        escaped(id),
        escaped(&reason)
    );
    let answer = block_on(server.get(&path))?;
    if !shell.is_text() {
        shell.json(&answer)?;
        return Ok(Exit::Done);
    }
    if answer["deleted"].as_bool() == Some(true) {
        shell.line(format!("{} is a deletion", word(&answer, "address")))?;
        return Ok(Exit::NotFound);
    }
    shell.line(word(&answer, "resource"))?;
    Ok(Exit::Done)
}
