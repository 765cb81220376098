//! The types that keys have.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::value::{Setting, Value, Wrong};
use super::{IpNet, SecretRef};
use crate::base::{ByteSize, ChannelName, DestinationName, Rate, parse_duration};
use crate::fault::codes::{W1011, W1021, W1022, W1031};

impl Setting for bool {
    fn schema() -> Json {
        json!({ "type": "boolean" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        value.as_bool().ok_or_else(Wrong::kind)
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),*) => {$(
        impl Setting for $kind {
            fn schema() -> Json {
                json!({ "type": "integer", "minimum": 0, "maximum": <$kind>::MAX })
            }

            fn read(value: &Value<'_>) -> Result<Self, Wrong> {
                if !value.is_number() {
                    return Err(Wrong::kind());
                }
                value.as_integer().and_then(|n| Self::try_from(n).ok()).ok_or_else(|| {
                    Wrong::new(W1021, format!("expected a whole number from 0 to {}", Self::MAX))
                })
            }
        }
    )*};
}
whole_numbers!(u16, u32, u64);

impl Setting for f64 {
    fn schema() -> Json {
        json!({ "type": "number" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        value.as_float().filter(|n| n.is_finite()).ok_or_else(Wrong::kind)
    }
}

fn text<'d>(value: &Value<'d>) -> Result<&'d str, Wrong> {
    value.as_str().ok_or_else(Wrong::kind)
}

impl Setting for String {
    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        text(value).map(str::to_owned)
    }
}

impl Setting for Arc<str> {
    fn schema() -> Json {
        String::schema()
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        text(value).map(Into::into)
    }
}

impl Setting for PathBuf {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        match text(value)? {
            "" => Err(Wrong::new(W1011, "a path cannot be empty")),
            path if path.contains('\0') => Err(Wrong::new(W1011, "a path cannot hold NUL")),
            path => Ok(value.path(path)),
        }
    }
}

impl Setting for SocketAddr {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": ":[0-9]{1,5}$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(|_| {
            let remedy = "Write an IP address and a port: `0.0.0.0:2575`, `127.0.0.1:2575` \
                          or `[::]:2575`.";
            Wrong::new(W1011, "not an IP address with a port").remedy(remedy)
        })
    }
}

impl Setting for Duration {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d|y)$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let wrong = |error: crate::base::QuantityError| Wrong::new(W1022, error.to_string());
        match value.as_str() {
            Some(text) => parse_duration(text).map_err(wrong),
            None if value.is_number() => Err(wrong(crate::base::QuantityError::Duration)
                .remedy("Write it in quotes with its unit, such as `\"5s\"`.")),
            None => Err(Wrong::kind()),
        }
    }
}

impl Setting for ByteSize {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+ ?([KMGT]i)?B$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let wrong = |error: crate::base::QuantityError| Wrong::new(W1022, error.to_string());
        match value.as_str() {
            Some(text) => Self::parse(text).map_err(wrong),
            None if value.is_number() => Err(wrong(crate::base::QuantityError::Size)
                .remedy("Write it in quotes with its unit, such as `\"10 MiB\"`.")),
            None => Err(Wrong::kind()),
        }
    }
}

impl Setting for Rate {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[1-9][0-9]*/(s|m|h)$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let text = value.as_str().ok_or_else(Wrong::kind)?;
        let wrong =
            || Wrong::new(W1011, "a rate is a number and a time, such as `50/s` or `600/m`");
        let rate = Self::parse(text).ok_or_else(wrong)?;
        if rate.count == 0 {
            return Err(Wrong::new(W1021, "a rate of nothing would let nothing pass")
                .remedy("Use `enabled = false` to switch off."));
        }
        Ok(rate)
    }
}

impl Setting for SecretRef {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(env|file|cred|exec):.+$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        // The text itself is never repeated: it may be the secret.
        let wrong = || Wrong::new(W1031, "expected a reference, never the secret itself");
        match Self::parse(text(value)?).ok_or_else(wrong)? {
            Self::File(path) => match value.path(&path).into_os_string().into_string() {
                Ok(path) => Ok(Self::File(path)),
                Err(_) => Err(Wrong::new(W1011, "the path of the configuration is not UTF-8")),
            },
            other => Ok(other),
        }
    }
}

macro_rules! names {
    ($($name:ident),*) => {$(
        impl Setting for $name {
            fn schema() -> Json {
                json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" })
            }

            fn read(value: &Value<'_>) -> Result<Self, Wrong> {
                Self::parse(text(value)?).map_err(|e| Wrong::new(W1011, e.to_string()))
            }
        }
    )*};
}
names!(ChannelName, DestinationName);

impl Setting for IpNet {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(W1011, "not a network such as `10.20.0.0/16` or an address");
        Self::parse(text(value)?).ok_or_else(wrong)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }

    fn read(value: &Value<'_>) -> Result<Self, Wrong> {
        let items = value.items().ok_or_else(Wrong::kind)?;
        let mut list = Self::with_capacity(items.len());
        let mut wrongs = Wrong(Vec::new());
        for item in items {
            match T::read(&item) {
                Ok(found) => list.push(found),
                Err(wrong) => wrongs.extend(wrong.at(item.span())),
            }
        }
        if wrongs.0.is_empty() { Ok(list) } else { Err(wrongs) }
    }
}
