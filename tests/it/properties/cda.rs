//! Documents of CDA: any path, any sentence, any bytes.

use bytes::Bytes;
use weir::cda;
use weir::fault::Problems;
use weir::mapping::Mapping;
use weir::message::Content;
use weir::settings::SourceFile;

use super::targets::NoFiles;

/// A path, a zero byte, and any bytes as a CDA document.
pub fn survives(data: &[u8]) {
    let zero = data.iter().position(|b| *b == 0).unwrap_or(0);
    let (path, text) = data.split_at(zero);
    let text = text.strip_prefix(b"\0").unwrap_or(text);
    let path = std::str::from_utf8(path).ok().and_then(|path| cda::Path::parse(path).ok());
    let Ok(document) = cda::Document::parse(&Bytes::copy_from_slice(text)) else { return };
    for section in document.sections() {
        let _ = (section.code(), section.title(), section.entries().count());
    }
    if let Some(path) = path {
        let walk = path.walk(cda::Kind::DOCUMENT);
        let _ = walk.map(|walk| walk.kind.datatype());
        for found in path.select(document.root()).into_iter().flatten() {
            let _ = (found.text(), found.path(), found.place());
            let range = found.range();
            assert!(document.text().get(range.clone()).is_some(), "{range:?}");
            let held = document.holding(&range);
            assert!(range.is_empty() || held.is_some(), "{range:?}");
        }
    }
    document.leaves(&mut |found, at| {
        let range = found.range();
        assert!(range.start <= at && at <= range.end, "{at} {range:?}");
    });
}

/// A sentence, a zero byte, and any bytes as a CDA document that a mapping reads.
pub fn mapping_survives(data: &[u8]) {
    let zero = data.iter().position(|b| *b == 0).unwrap_or(0);
    let (sentence, text) = data.split_at(zero);
    let text = text.strip_prefix(b"\0").unwrap_or(text);
    let Ok(sentence) = std::str::from_utf8(sentence) else { return };
    let Ok(quoted) = serde_json::to_string(sentence) else { return };
    let file = format!(
        "[mapping]\nfrom = \"cda\"\nto = \"fhir-r4\"\n[rule.o]\nmake = \"Observation\"\n\
         each = \"//observation\"\non_null = \"remove\"\n[rule.o.set]\nstatus = \"'final'\"\n\
         code = \"code\"\nvalue = {quoted}\n"
    );
    let mut problems = Problems::new();
    let mapping = Mapping::load(SourceFile::new("m.toml", &*file), &NoFiles, &mut problems);
    let Some(mapping) = mapping else { return };
    let Ok(document) = cda::Document::parse(&Bytes::copy_from_slice(text)) else { return };
    let Ok((mapped, lineage)) = mapping.explain(&Content::Cda(document), "fuzz") else { return };
    assert_eq!(mapped.unused, lineage.unused.len());
    let Content::Fhir(doc) = &mapped.content else { panic!("a bundle") };
    let findings = weir::fhir::validate::structure(doc);
    assert!(findings.is_empty(), "{findings:?}");
}
