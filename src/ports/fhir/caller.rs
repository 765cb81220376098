//! A caller of one FHIR server: one kept connection, requests with what shows who weir is.

use std::fmt;
use std::sync::Arc;

use hyper::Method;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderValue};
use tokio::sync::Mutex;

use super::Address;
use super::auth::{Auth, Credentials};
use crate::fault::{Fault, codes::W9001};
use crate::ports::Ports;
use crate::ports::http::{Answer, Call, Client, Download, Url};
use crate::ports::tls::TlsClientPlan;

/// A server as settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Base.
    pub url: Url,
    /// Own roots or client certificate for `https`.
    pub tls: Option<TlsClientPlan>,
    /// How weir shows who it is.
    pub auth: Auth,
}

/// What is known of weir's account at a server: its token. Shared by clones, so that one
/// caller fetches a token and the others find it; in memory only.
#[derive(Clone, Default)]
pub struct Account(Arc<Mutex<Credentials>>);

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}

/// Calls one server.
pub struct Caller {
    server: Server,
    account: Account,
    ports: Ports,
    answer_max: usize,
    /// Made at the first use: certificates are files.
    client: Option<Client>,
    /// Of servers that files were read from, and whether they are shown who weir is.
    fetchers: Vec<(Url, bool, Client)>,
}

/// Most servers of files whose certificates are kept; with more the oldest are read again.
const FETCHERS_MAX: usize = 8;

impl Caller {
    /// Makes one that reads answers up to a size in bytes; connects nothing.
    #[must_use]
    pub fn new(server: Server, account: Account, ports: &Ports, answer_max: usize) -> Self {
        Self {
            server,
            account,
            ports: ports.clone(),
            answer_max,
            client: None,
            fetchers: Vec::new(),
        }
    }

    /// The server.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Connects unless a connection stands.
    ///
    /// # Errors
    /// `W7101` to `W7107`, `W75xx` for certificates.
    pub async fn open(&mut self) -> Result<(), Fault> {
        let net = self.ports.net.clone();
        self.client()?.open(&*net).await
    }

    /// Lets go of the connection.
    pub fn close(&mut self) {
        if let Some(client) = &mut self.client {
            client.close();
        }
    }

    /// Reads what lies at a path from the root, as a media type.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn read(&mut self, path: String, accept: &'static str) -> Result<Answer, Fault> {
        let headers = vec![(ACCEPT, HeaderValue::from_static(accept))];
        self.send(Call { method: Method::GET, path, headers, body: bytes::Bytes::new() }).await
    }

    /// Sends a request with what shows who weir is; once more when the server does not take
    /// it and there is another to show: the token ended earlier than it said, or the secret
    /// was replaced. The caller bounds the time.
    ///
    /// # Errors
    /// `W7101` to `W7109` of connection and answer, `W7306` and `W7307` of the token, `W75xx`
    /// of certificates and secrets.
    pub async fn send(&mut self, call: Call) -> Result<Answer, Fault> {
        let (answer, shown) = self.send_once(call.clone()).await?;
        let Some(shown) = shown.filter(|_| answer.status == 401) else { return Ok(answer) };
        self.account.0.lock().await.refuse(&shown);
        Ok(self.send_once(call).await?.0)
    }

    /// Begins to read what lies at an address of this server or another, as a media type,
    /// packed or not. Only where `shows` says so, who weir is goes along. The caller bounds
    /// the time and decides which servers may be asked.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn fetch(
        &mut self,
        at: &Address,
        accept: &'static str,
        shows: bool,
    ) -> Result<Download, Fault> {
        let (download, shown) = self.fetch_once(at, accept, shows).await?;
        let Some(shown) = shown.filter(|_| download.status == 401) else { return Ok(download) };
        self.account.0.lock().await.refuse(&shown);
        Ok(self.fetch_once(at, accept, shows).await?.0)
    }

    async fn fetch_once(
        &mut self,
        at: &Address,
        accept: &'static str,
        shows: bool,
    ) -> Result<(Download, Option<HeaderValue>), Fault> {
        let shown = match shows {
            true => self.account.0.lock().await.header(&self.server, &self.ports).await?,
            false => None,
        };
        let mut headers = vec![
            (ACCEPT, HeaderValue::from_static(accept)),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ];
        headers.extend(shown.clone().map(|value| (AUTHORIZATION, value)));
        let mut client = self.fetcher(&at.origin, shows)?;
        let body = bytes::Bytes::new();
        let call = Call { method: Method::GET, path: at.path.clone(), headers, body };
        // One that fails is not kept: its certificates may have been replaced.
        let download = client.fetch(&*self.ports.net, call).await?;
        self.fetchers.push((at.origin.clone(), shows, client));
        Ok((download, shown))
    }

    /// A client for files of a server: one that was used, else a new one.
    fn fetcher(&mut self, origin: &Url, shows: bool) -> Result<Client, Fault> {
        let kept = self.fetchers.iter().position(|(of, shown, _)| of == origin && *shown == shows);
        if let Some(kept) = kept {
            return Ok(self.fetchers.remove(kept).2);
        }
        if self.fetchers.len() >= FETCHERS_MAX {
            self.fetchers.remove(0);
        }
        let own = origin.same_origin(&self.server.url);
        let tls = self.server.tls.as_ref().map(|tls| match own || shows {
            true => TlsClientPlan {
                server_name: tls.server_name.clone().filter(|_| own),
                ..tls.clone()
            },
            // A certificate shows who weir is, too.
            false => TlsClientPlan { ca: tls.ca.clone(), ..TlsClientPlan::default() },
        });
        Client::new(origin.clone(), tls.as_ref(), self.answer_max)
    }

    async fn send_once(&mut self, mut call: Call) -> Result<(Answer, Option<HeaderValue>), Fault> {
        let shown = self.account.0.lock().await.header(&self.server, &self.ports).await?;
        call.headers.extend(shown.clone().map(|value| (AUTHORIZATION, value)));
        let net = self.ports.net.clone();
        Ok((self.client()?.send(&*net, call).await?, shown))
    }

    fn client(&mut self) -> Result<&mut Client, Fault> {
        if self.client.is_none() {
            let (url, tls) = (self.server.url.clone(), self.server.tls.as_ref());
            self.client = Some(Client::new(url, tls, self.answer_max)?);
        }
        self.client.as_mut().ok_or_else(|| Fault::new(W9001).because("no client"))
    }
}
