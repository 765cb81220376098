//! run
use super::args::StoreArgs;
use super::exit::{Exit, Stop};
use super::shell::Shell;
pub fn run(_: &StoreArgs, _: &mut Shell) -> Result<Exit, Stop> {
    Ok(Exit::Bug)
}
