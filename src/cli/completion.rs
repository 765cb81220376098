//! `weir completion` and `weir man`: made from the table of arguments.

use clap::CommandFactory;

use super::args::{Cli, CompletionArgs};
use super::exit::{Exit, Stop};
use super::shell::Shell;

pub fn completion(args: &CompletionArgs, shell: &mut Shell) -> Result<Exit, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "weir", &mut script);
    shell.raw(&script)?;
    Ok(Exit::Done)
}

pub fn man(shell: &mut Shell) -> Result<Exit, Stop> {
    let mut page = Vec::new();
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(Stop::io)?;
    sections("weir", &command, &mut page)?;
    shell.raw(&page)?;
    Ok(Exit::Done)
}

/// Writes a page for every command below one, its commands included.
fn sections(name: &str, command: &clap::Command, page: &mut Vec<u8>) -> Result<(), Stop> {
    for sub in command.get_subcommands() {
        let title = format!("{name} {}", sub.get_name());
        let section = sub.clone().disable_help_flag(true).bin_name(title.clone());
        let section = clap_mangen::Man::new(section).title(title.replace(' ', "-"));
        section.render(page).map_err(Stop::io)?;
        sections(&title, sub, page)?;
    }
    Ok(())
}
