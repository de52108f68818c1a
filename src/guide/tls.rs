//! How to serve and call in TLS.
//!
//! TLS needs two features: `tls-ring`, which has the cryptography, and for the public web's authorities `tls-native-roots` or
//! `tls-webpki-roots`. Without them nothing of TLS is compiled. `tls-ring` needs a C compiler when the crate is built.
//!
//! # Serve
//!
//! ```ignore
//! use temaki::Server;
//! use temaki::tls::{Identity, ServerTlsConfig};
//!
//! let identity = Identity::from_pem(std::fs::read("server.pem")?, std::fs::read("server.key")?);
//! let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?;
//! server.add_service(greeter).serve("0.0.0.0:50051".parse()?).await?;
//! ```
//!
//! The port serves TLS and nothing else. `server.pem` holds the certificate and, after it, those of its issuers below the root.
//! `scripts/dev_ca certs` makes an authority and certificates for development.
//!
//! # Call
//!
//! ```ignore
//! use temaki::Endpoint;
//! use temaki::tls::{Certificate, ClientTlsConfig};
//!
//! let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read("ca.pem")?));
//! let channel = Endpoint::new("https://localhost:50051")?.tls_config(tls)?.connect().await?;
//! ```
//!
//! The target begins with `https://`; `unix:` is possible too. A client trusts the authorities that it names, and no other:
//! `ca_certificate` for your own, `with_native_roots` for the system's, `with_webpki_roots` for Mozilla's. The server's certificate must
//! have the target's host as a name. If you connect by another name or an address, say which name it has: `domain_name`.
//!
//! # Ask clients for certificates
//!
//! | the server has | a client without a certificate | a client with one |
//! |---|---|---|
//! | no `client_ca_root` | is served | is served; the certificate is not asked for |
//! | `client_ca_root(ca)` | is refused | is served if `ca` has issued the certificate |
//! | and `client_auth_optional(true)` | is served | is served if `ca` has issued the certificate |
//!
//! A client has its certificate by `ClientTlsConfig::identity`. A handler sees it by `Request::peer_certs`; `TlsConnectInfo::find` has what else
//! is known of the connection. An interceptor and an observer see the same.
//!
//! # Replace certificates while the server runs
//!
//! ```ignore
//! use temaki::tls::TlsFiles;
//!
//! let files = TlsFiles::new("server.pem", "server.key").client_ca_root("clients_ca.pem");
//! let tls = files.load()?;
//! tokio::spawn(files.watch(tls.clone(), Duration::from_secs(60), |outcome| println!("{outcome:?}")));
//! Server::builder().handshake(tls).add_service(greeter).serve(addr).await?;
//! ```
//!
//! New connections use the new certificates, and those that are open stay. `TlsReloader::replace` does it from your own code.
//!
//! # When it does not work
//!
//! The error says what to do, at both ends; the server's is in [`ConnectionEnd::error`](crate::server::ConnectionEnd::error) of an
//! [`Observer`](crate::server::Observer). `TlsError::of(&error)` finds the kind for code that wants to know: `Expired`, `WrongName`,
//! `UnknownIssuer`, `NoClientCertificate`, `Refused`, `Alpn`, `Plaintext` and others.
//!
//! # Credentials
//!
//! An [`AsyncInterceptor`](crate::AsyncInterceptor) that adds a token says so by
//! [`adds_credentials`](crate::AsyncInterceptor::adds_credentials). A client then refuses its calls on a plaintext connection, unless
//! [`Endpoint::credentials_over_plaintext`](crate::Endpoint::credentials_over_plaintext) allows it.
//!
//! # A configuration of your own
//!
//! `TlsAcceptor::new(config)` is a [`Handshake`](crate::server::Handshake) by a `rustls::ServerConfig`, and `Endpoint::tls_connector` takes
//! `TlsConnector::new(config)`, by a `rustls::ClientConfig`. With the feature `tls` alone you bring the cryptography too: in such a
//! configuration, or by `crypto_provider` of the others. The default provider of the process is neither read nor set.
