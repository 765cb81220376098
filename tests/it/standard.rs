//! The tables of the standard are what the generator makes of the published schemas, byte for
//! byte; where the schemas are not there, as outside of the project's own machines, nothing
//! can be compared.

use std::path::Path;

use weir::hl7v2::tables;

use super::support::shared;

#[path = "../../generate/hl7v2.rs"]
mod hl7v2;

#[test]
fn tables_of_hl7_v2_are_made_again_byte_for_byte() {
    let Some(schemas) = shared("schema/hl7v2") else { return };
    let made = hl7v2::make(&schemas).unwrap();
    let committed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(hl7v2::OUT)).unwrap();
    let differs = made.iter().zip(&committed).position(|(a, b)| a != b);
    assert!(
        made == committed,
        "{} bytes made, {} committed, the first that differs at {differs:?}: \
         `cargo run --example generate -- hl7v2 ../shared/schema/hl7v2`",
        made.len(),
        committed.len()
    );
}

#[test]
fn texts_of_the_tables_are_readable() {
    let is_odd = |text: &str| {
        let pairs = text.chars().zip(text.chars().skip(1));
        let is_mangled = pairs
            .into_iter()
            .any(|(a, b)| ('\u{c2}'..='\u{df}').contains(&a) && ('\u{80}'..='\u{bf}').contains(&b));
        is_mangled || text.contains('\u{a0}') || text.trim() != text
    };
    for number in 0..=9999 {
        let Some(table) = tables::table(&format!("{number:04}")) else { continue };
        for code in table.codes() {
            let texts = [table.name, code.code, code.display];
            assert!(!texts.iter().any(|text| is_odd(text)), "{} {texts:?}", table.id);
            assert!(!code.code.is_empty(), "{}", table.id);
        }
    }
    for version in tables::versions() {
        let fields = version.segments().flat_map(|(_, def)| def.fields.iter().flatten());
        let names = fields.map(|field| field.name);
        assert!(!names.into_iter().any(is_odd), "{}", version.name);
    }
    let name = "Logical Observation Identifier Names and Codes (LOINC\u{ae})";
    assert_eq!(tables::code("0396", "LN"), Some(name));
}
