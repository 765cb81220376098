//! Writes the standard tables under `src/` from the published schemas:
//! `cargo run --example generate -- hl7v2 ../shared/schema/hl7v2`,
//! `cargo run --example generate -- fhir ../shared/schema/fhir-r4` and
//! `cargo run --example generate -- us-core ../shared/schema/us-core`.
//!
//! The same input gives the same bytes, so the tables can be checked against their source.

mod fhir;
mod hl7v2;
mod parameters;
mod profiles;
mod structs;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fhir", dir] => fhir::run(Path::new(dir))
            .and_then(|()| parameters::run(Path::new(dir)))
            .and_then(|()| structs::run(Path::new(dir))),
        ["hl7v2", dir] => {
            hl7v2::make(Path::new(dir)).and_then(|bytes| std::fs::write(hl7v2::OUT, bytes))
        }
        ["us-core", dir] => profiles::run(Path::new(dir)),
        _ => Err(std::io::Error::other("usage: generate fhir|hl7v2|us-core DIR")),
    };
    done.map_or_else(
        |error| {
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("generate: {error}\n").as_bytes(),
            );
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
