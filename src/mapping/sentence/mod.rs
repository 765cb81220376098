//! The sentences of a mapping: what stands right of `=` in `[rule.X.set]`, and the
//! conditions of `when`, `where` and `[filter]`.
//!
//! Here live the tree of a sentence and its grammar, nothing of schemas or messages: what a
//! path means is decided by [`super::compile`]. Every node that can be wrong later keeps the
//! byte range it was read from, so that a fault points at the file's own line and column.
//!
//! Source: `MAPPING.md` §2.

mod ast;
mod grammar;

pub(super) use ast::*;
pub(super) use grammar::{Syntax, condition, sentence, source_path};

/// Longest sentence in bytes: ten times what fits a line, and a bound for the parser.
pub(super) const SENTENCE_BYTES_MAX: usize = 4096;

/// Deepest nesting of conditions and filters: people lose track at four.
pub(super) const NESTING_MAX: usize = 16;
