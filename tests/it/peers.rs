//! Malformed and odd input against a running channel, by the shared player, where present.

use std::process::Command;

use super::support::sink::Sink;
use super::support::site::Site;
use super::support::{free_address, shared};

#[test]
fn malformed_input_is_answered_as_its_manifest_says() {
    let (Some(player), Some(corpus)) = (shared("tools/peers/play.py"), shared("corpus/malformed"))
    else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sink = runtime.block_on(Sink::start(None));
    let site = Site::new();
    let listen = free_address();
    let source = "framing = \"lenient\"\nmax_size = \"64 MiB\"\nframe_timeout = \"3s\"";
    site.relay("odd", listen, sink.address, source);
    let running = site.start();
    let done =
        Command::new("python3").arg(player).arg(corpus).arg(listen.to_string()).output().unwrap();
    let out = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{out}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(running.stop().success());
    runtime.block_on(sink.stop());
}
