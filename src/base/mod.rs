//! Values that every room speaks of: times, ids, names, sizes, durations, the mask over
//! patient data, and named limits.

mod id;
pub mod limits;
mod name;
mod phi;
mod quantity;
mod rate;
mod timestamp;

pub use id::{MessageId, ParseIdError};
pub use name::{ChannelName, DestinationName, NameError};
pub use phi::Phi;
pub use quantity::{ByteSize, QuantityError, format_duration, parse_duration};
pub use rate::Rate;
pub use timestamp::Timestamp;
