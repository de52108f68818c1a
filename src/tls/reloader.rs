//! Certificates that change while the server runs.
//!
//! The identity and the roots of client certificates are one configuration, and a handshake takes the one that holds at its
//! first message. So a replacement is seen by the next connection, whole, and no connection that stands is touched. A
//! session that was begun under the old configuration is not resumed under the new one: the sessions are the
//! configuration's.

use std::error::Error as StdError;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ServerConfig;

use super::acceptor::{TlsAcceptor, shake_hands};
use super::pem::{Certificate, Identity, config};
use super::server_config::ServerTlsConfig;
use super::stream::TlsStream;
use crate::connect_info::ConnectInfo;
use crate::error::Error;
use crate::server::Handshake;

/// TLS as a server's [`Handshake`], by a configuration that can be replaced. All clones are the same.
///
/// From the application, which has its certificates from somewhere:
///
/// ```no_run
/// # fn run(first: temaki::tls::ServerTlsConfig, next: temaki::tls::ServerTlsConfig) -> Result<(), temaki::Error> {
/// use temaki::Server;
/// use temaki::tls::TlsReloader;
///
/// let tls = TlsReloader::new(first)?;
/// let server = Server::builder().handshake(tls.clone());
/// tls.replace(next)?; // also while it serves
/// # Ok(()) }
/// ```
///
/// From files: see [`TlsFiles`].
#[derive(Clone, Debug)]
pub struct TlsReloader {
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl TlsReloader {
    /// With the first configuration.
    ///
    /// # Errors
    /// As [`ServerTlsConfig::into_rustls`].
    pub fn new(first: ServerTlsConfig) -> Result<Self, Error> {
        Self::from_rustls(first.into_rustls()?)
    }

    /// With a first configuration of `rustls`.
    ///
    /// # Errors
    /// As [`TlsAcceptor::new`].
    pub fn from_rustls(first: impl Into<Arc<ServerConfig>>) -> Result<Self, Error> {
        let first = TlsAcceptor::new(first)?.into_inner();
        let current = Arc::new(RwLock::new(first));
        Ok(Self { current })
    }

    /// Uses `next` for all handshakes that begin from now on.
    ///
    /// # Errors
    /// As [`ServerTlsConfig::into_rustls`]. The configuration stays as it was then.
    pub fn replace(&self, next: ServerTlsConfig) -> Result<(), Error> {
        self.replace_rustls(next.into_rustls()?)
    }

    /// The same with a configuration of `rustls`.
    ///
    /// # Errors
    /// As [`TlsAcceptor::new`]. The configuration stays as it was then.
    pub fn replace_rustls(&self, next: impl Into<Arc<ServerConfig>>) -> Result<(), Error> {
        let next = TlsAcceptor::new(next)?.into_inner();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn current(&self) -> Arc<ServerConfig> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl<IO> Handshake<IO> for TlsReloader
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Io = TlsStream<IO>;

    fn handshake(
        &self,
        io: IO,
        info: ConnectInfo,
    ) -> impl Future<Output = Result<(TlsStream<IO>, ConnectInfo), Box<dyn StdError + Send + Sync>>> + Send
    {
        // In a box: the connection shall not carry room for it when it is over.
        Box::pin(shake_hands(|| self.current(), io, info))
    }
}

/// The files that a server's certificates come from, read anew when one of them has changed.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use temaki::Server;
/// use temaki::tls::TlsFiles;
///
/// let files = TlsFiles::new("server.pem", "server.key").client_ca_root("clients_ca.pem");
/// let tls = files.load()?;
/// let reloads = files.watch(tls.clone(), Duration::from_secs(60), |outcome| match outcome {
///     Ok(()) => println!("new certificates"),
///     Err(error) => println!("the old certificates stay: {error}"),
/// });
/// tokio::spawn(reloads);
/// Server::builder().handshake(tls).serve("127.0.0.1:50051".parse()?).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    client_root: Option<PathBuf>,
    template: ServerTlsConfig,
}

/// When each file was changed, and its length.
type Seen = Vec<Option<(SystemTime, u64)>>;

impl TlsFiles {
    /// The certificate with its chain, and its key, as PEM.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_root: None,
            template: ServerTlsConfig::new(),
        }
    }

    /// The authorities that issue client certificates, as PEM.
    pub fn client_ca_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.client_root = Some(root.into());
        self
    }

    /// What the configuration holds beside the files: whether client certificates are optional, for example.
    pub fn with_config(mut self, config: ServerTlsConfig) -> Self {
        self.template = config;
        self
    }

    /// Reads the files, in the current thread.
    ///
    /// # Errors
    /// If a file cannot be read, or as [`ServerTlsConfig::into_rustls`].
    pub fn load(&self) -> Result<TlsReloader, Error> {
        TlsReloader::new(self.read()?)
    }

    /// Looks every `interval` whether a file has another time of change or another length, and if so reads them all into
    /// `reloader`. `notice` is given each outcome: where it is an error, the configuration stays as it was, and it is tried
    /// again at the next look, since a key and its certificate cannot be replaced in one step. The first look is at once; it
    /// reads the files in any case, and only an error of it is given to `notice`.
    ///
    /// It runs until it is dropped. Files are read in one of tokio's threads for blocking work. An interval under 10 ms is
    /// taken as 10 ms.
    ///
    /// # Panics
    /// In a runtime without a clock (`enable_time`).
    pub async fn watch(
        self,
        reloader: TlsReloader,
        interval: Duration,
        mut notice: impl FnMut(Result<(), Error>),
    ) {
        let files = Arc::new(self);
        let (mut seen, mut is_first) = (None, true);
        loop {
            let look = {
                let (files, seen, reloader) = (files.clone(), seen.clone(), reloader.clone());
                tokio::task::spawn_blocking(move || files.look(seen, &reloader))
            };
            if let Ok((now, outcome)) = look.await {
                seen = now;
                match outcome {
                    Some(Ok(())) if is_first => {}
                    Some(outcome) => notice(outcome),
                    None => {}
                }
            }
            is_first = false;
            tokio::time::sleep(interval.max(MIN_INTERVAL)).await;
        }
    }

    /// One look. `seen`: what the configuration was read from; `None` before the first look, and after a failure.
    fn look(
        &self,
        seen: Option<Seen>,
        reloader: &TlsReloader,
    ) -> (Option<Seen>, Option<Result<(), Error>>) {
        // Before the files are read: a change that comes between is seen at the next look.
        let now = self.changed();
        if seen.as_ref() == Some(&now) {
            return (seen, None);
        }
        let outcome = self.read().and_then(|next| reloader.replace(next));
        (outcome.is_ok().then_some(now), Some(outcome))
    }

    fn changed(&self) -> Seen {
        let files = [
            Some(&self.certificate),
            Some(&self.key),
            self.client_root.as_ref(),
        ];
        let changed = files.into_iter().flatten().map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        });
        changed.collect()
    }

    fn read(&self) -> Result<ServerTlsConfig, Error> {
        let identity = Identity::from_pem(read(&self.certificate)?, read(&self.key)?);
        let config = self.template.clone().identity(identity);
        Ok(match &self.client_root {
            None => config,
            Some(root) => config.client_ca_root(Certificate::from_pem(read(root)?)),
        })
    }
}

/// The shortest time between two looks.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| config(format!("cannot read {}", path.display())).with_source(error))
}
