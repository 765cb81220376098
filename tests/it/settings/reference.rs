//! The reference of settings in `docs/` is what the declarations of the keys say.

#[test]
fn is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    let made = weir::config::reference();
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == made, "docs/settings.md is old: run the tests with WEIR_BLESS=1");
}
