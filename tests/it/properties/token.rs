//! Properties of tokens and scopes, as strangers write them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use weir::fault::codes;
use weir::fhir::smart::{Scope, TOKEN_BYTES_MAX, Token};

/// A token never breaks its reader, keeps to its bound, and shows nothing of itself; a scope
/// that is read is written so that it reads the same.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read_token(text);
    // The parts of a token in clear: header and claims with a zero between them.
    if let Some((header, claims)) = text.split_once('\0') {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        read_token(&format!("{}.{}.c2ln", part(header), part(claims)));
    }
    for word in text.split_ascii_whitespace() {
        if let Some(scope) = Scope::parse(word) {
            let written = scope.to_string();
            assert_eq!(Scope::parse(&written), Some(scope), "{written}");
        }
    }
}

fn read_token(text: &str) {
    match Token::parse(text) {
        Ok(token) => {
            assert!(text.len() <= TOKEN_BYTES_MAX);
            assert!(text.as_bytes().starts_with(token.signed));
            assert_eq!(format!("{:?}", token.claims), "Claims(<phi>)");
            let client = token.claims.client.unwrap_or_default();
            assert!(client.len() <= 128 && client.is_ascii(), "fit for a log");
        }
        Err(fault) => {
            let known = [codes::W2352, codes::W2357].contains(&fault.code());
            assert!(known && fault.cause().is_some_and(|cause| cause.len() < 60));
        }
    }
}
