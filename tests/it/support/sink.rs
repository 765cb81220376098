//! A peer that takes MLLP messages and remembers their control IDs, in order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use weir::hl7v2::Message;
use weir::hl7v2::ack::AckCode;
use weir::ports::Ports;
use weir::source::{Command, Serving, Silent, SourcePlan};
use weir::tool::sandbox::{Judge, Sandbox};

/// A running sink.
pub struct Sink {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    stop: watch::Sender<Command>,
    task: tokio::task::JoinHandle<()>,
}

impl Sink {
    /// Starts one that answers AA, on an address of its own or a given one.
    pub async fn start(address: Option<SocketAddr>) -> Self {
        let ports = Ports::system();
        let plan = SourcePlan::mllp(address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap()));
        let bound = plan.bind(&ports).await.unwrap();
        let address = bound.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = seen.clone();
        let judge: Judge = Box::new(move |message: &Message| {
            let id = message.header().control_id().text().into_owned();
            note.lock().unwrap().push(id);
            Ok(())
        });
        let intake = Sandbox::new(ports, Some(AckCode::AA), Duration::ZERO).judging(judge);
        let (stop, command) = watch::channel(Command::Run);
        let (intake, events) = (Arc::new(intake), Arc::new(Silent));
        let serving = Serving { intake, events, command };
        #[allow(clippy::disallowed_methods, reason = "the test owns the task")]
        let task = tokio::spawn(bound.serve(serving));
        Self { address, seen, stop, task }
    }

    /// Control IDs so far, in order of arrival.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How often each control ID came.
    pub fn counts(&self) -> HashMap<String, usize> {
        self.seen().into_iter().fold(HashMap::new(), |mut counts, id| {
            *counts.entry(id).or_default() += 1;
            counts
        })
    }

    /// Stops it.
    pub async fn stop(self) {
        let _ = self.stop.send(Command::Stop);
        let _ = self.task.await;
    }
}
