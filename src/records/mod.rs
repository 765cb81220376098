//! Records: versions of FHIR resources, how they are found and how a write changes them.
//!
//! Pure. Whoever keeps versions implements [`Look`] over them and gets a [`Reader`] for it,
//! with the searches of R4: search parameters come from a table of the specification, their
//! paths are run by our FHIRPath, and what the index gives is looked at again. Nothing here
//! knows how versions are kept, or of HTTP.
//!
//! Invariant: an index that gives too much changes nothing but the time; [`keys`] and the
//! conditions of a search agree on at least one key for everything that fits.

mod apply;
mod bundle;
mod compartment;
mod kinds;
mod letters;
mod look;
mod measure;
#[cfg(test)]
mod memory;
mod parameter;
mod plan;
mod rank;
mod references;
mod search;
mod span;
mod summary;
mod term;
mod values;
mod version;
mod wanted;
mod words;

pub use apply::{Answer, Applied, Asked, Form, NewId, Origin, Told, apply, refusal, refused, say};
pub use bundle::{history, searchset};
pub use compartment::is_compartment;
pub use look::{
    HistoryPage, Key, Look, Mode, Page, Place, Reader, Scope, Search, Shown, Visit, Within,
};
pub use parameter::{Kind, Parameter, parameter, parameters};
pub use values::keys;
pub use version::{Method, Version};
