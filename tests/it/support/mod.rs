//! A weir of one's own: a directory with configuration, the real binary, real sockets.

pub mod http;
pub mod sink;
pub mod site;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;

/// A loopback address whose port was free a moment ago, another one each time.
#[allow(clippy::disallowed_methods, reason = "tests bind real ports")]
pub fn free_address() -> SocketAddr {
    // The machine may give a port again that was let go at once.
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    loop {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        if GIVEN.lock().unwrap().insert(address) {
            return address;
        }
    }
}

/// The folder of shared corpora and peers, where it is present.
pub fn shared(below: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("WEIR_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        Into::into,
    );
    Some(root.join(below)).filter(|path| path.exists())
}

/// What `tests/fetch` brought, where it did.
pub fn fetched(below: &str) -> Option<std::path::PathBuf> {
    let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/conformance");
    Some(home.join(below)).filter(|path| path.exists())
}

/// A number from the environment, for tests that can run longer by hand.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A sequence of numbers that follows a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}
