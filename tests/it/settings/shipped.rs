//! The configuration that the repository ships is right, at every site.

use std::path::Path;

use weir::fault::Severity;

use super::drawn;

#[test]
fn loads_without_a_warning_but_for_the_keyring() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("mappings/oru-to-fhir.toml").is_file() {
        return; // The mappings are shipped by their own room.
    }
    for site in [None, Some("north")] {
        let (plan, problems, sources) = weir::config::load(root, site);
        let plan = plan.unwrap_or_else(|| panic!("{}", drawn(&problems, &sources)));
        for problem in problems.iter().filter(|p| p.severity > Severity::Note) {
            // The keyring is made by `weir init` and `weir demo`; mappings have warnings of
            // their own (W4).
            let code = problem.fault.code().as_str();
            let known = code == "W1048" || code.starts_with("W4");
            assert!(known, "{}", drawn(&problems, &sources));
        }
        let names: Vec<&str> = plan.channels.iter().map(|c| c.name().as_str()).collect();
        assert_eq!(names, ["adt-main", "fhir-intake", "lab-files", "lab-results"]);
        for channel in &plan.channels {
            assert!(!channel.tests.is_empty(), "{} has no test", channel.name());
            assert!(channel.source.listen().is_none_or(|at| at.ip().is_loopback()));
        }
    }
}
