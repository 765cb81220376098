//! Codes of mapping: W40xx at load, W41xx warnings of a run, W42xx tests, W43xx dead letters.

codes! {
    W4001 Operator "a sentence cannot be read",
        "A rule or condition that cannot be read would never give a value.",
        "Correct the sentence; `docs/mapping.md` lists the words of the language.";
}
