//! What a service manager offers: a socket to tell it how the service is, and listeners it
//! holds open across restarts.
//!
//! A few lines of the protocols themselves: the library of systemd is a large one to link
//! for them. Without the variables of a service manager nothing happens.
//!
//! Source: sd_notify(3), sd_listen_fds(3).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixDatagram;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// First descriptor that a service manager hands over.
const FIRST: i32 = 3;

/// Most descriptors taken: more than any site has listeners.
const DESCRIPTORS_MAX: i32 = 1024;

/// Tells the service manager how the service is.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, std::os::unix::net::SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The one of the environment; without `NOTIFY_SOCKET` it tells nobody.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let own = |pid: String| pid.parse() == Ok(std::process::id());
        let watchdog = variable("WATCHDOG_USEC")
            .filter(|_| variable("WATCHDOG_PID").is_none_or(own))
            .and_then(|micros| micros.parse().ok())
            .map(Duration::from_micros);
        let socket = variable("NOTIFY_SOCKET").and_then(|path| Self::open(&path).ok());
        Self { socket, watchdog }
    }

    fn open(path: &str) -> io::Result<(UnixDatagram, std::os::unix::net::SocketAddr)> {
        let address = match path.strip_prefix('@') {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                std::os::unix::net::SocketAddr::from_abstract_name(name)?
            }
            None => std::os::unix::net::SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold up the service.
        socket.set_nonblocking(true)?;
        Ok((socket, address))
    }

    /// Tells something, such as `READY=1`. A manager that is gone is not an error.
    pub fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }

    /// Tells that the configuration is read again; `READY=1` says when that is over.
    pub fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()));
    }

    /// How often `WATCHDOG=1` must be told: half of what the manager waits.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|wait| wait / 2)
    }

    /// Whether somebody listens.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.socket.is_some()
    }
}

#[expect(unsafe_code, reason = "the manager's clock has no form in std that shows its value")]
fn monotonic_micros() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time to a value that is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// Listeners that the service manager holds, by the address they listen on. They stay open
/// as long as the process, so that a channel that is changed gets its own back.
static HELD: OnceLock<Mutex<Vec<(SocketAddr, TcpListener)>>> = OnceLock::new();

/// A listener of the service manager on this address, where it holds one.
///
/// # Errors
/// When the descriptor cannot be doubled.
pub fn listener(address: SocketAddr) -> io::Result<Option<TcpListener>> {
    let held = HELD.get_or_init(|| Mutex::new(handed_over()));
    let held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let found = held.iter().find(|(local, _)| same(*local, address));
    found.map(|(_, listener)| listener.try_clone()).transpose()
}

/// Whether a socket of the manager is meant by an address: the same, or the same port on
/// all addresses (`ListenStream=2575` listens on `[::]`, IPv4 included).
fn same(local: SocketAddr, asked: SocketAddr) -> bool {
    let all = local.ip().is_unspecified() && asked.ip().is_unspecified();
    local.port() == asked.port() && (all || local.ip() == asked.ip())
}

#[expect(unsafe_code, reason = "descriptors are handed over by their number")]
fn handed_over() -> Vec<(SocketAddr, TcpListener)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<i64>().ok();
    if number("LISTEN_PID") != Some(i64::from(std::process::id())) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
    let mut held = Vec::new();
    for descriptor in FIRST..FIRST + count.clamp(0, DESCRIPTORS_MAX) {
        // SAFETY: sets a flag; a number that is no descriptor gives an error.
        let set = unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        if set < 0 {
            continue;
        }
        // SAFETY: the manager says that these descriptors are for this process, and this
        // runs once.
        let listener = unsafe { TcpListener::from_raw_fd(descriptor) };
        // What is no TCP socket, such as a unix one, has no such address and is closed.
        if let Ok(local) = listener.local_addr()
            && listener.set_nonblocking(true).is_ok()
        {
            held.push((local, listener));
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_socket_with_a_path_and_an_abstract_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        let told = |path: &str, heard: &UnixDatagram| {
            let notifier = Notifier { socket: Notifier::open(path).ok(), watchdog: None };
            assert!(notifier.is_heard());
            notifier.tell("READY=1");
            let mut text = [0; 64];
            let length = heard.recv(&mut text).unwrap();
            String::from_utf8_lossy(&text[..length]).into_owned()
        };
        assert_eq!(told(path.to_str().unwrap(), &heard), "READY=1");
        use std::os::linux::net::SocketAddrExt;
        let name = format!("weir-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let heard = UnixDatagram::bind_addr(&address).unwrap();
        assert_eq!(told(&format!("@{name}"), &heard), "READY=1");
        // Nobody there: nothing happens.
        Notifier::default().tell("READY=1");
    }

    #[test]
    fn sockets_are_matched_by_their_address() {
        let check = |local: &str, asked: &str, expected: bool| {
            assert_eq!(same(local.parse().unwrap(), asked.parse().unwrap()), expected, "{asked}");
        };
        check("127.0.0.1:2575", "127.0.0.1:2575", true);
        check("[::]:2575", "0.0.0.0:2575", true);
        check("0.0.0.0:2575", "127.0.0.1:2575", false);
        check("127.0.0.1:2575", "127.0.0.1:2576", false);
    }
}
