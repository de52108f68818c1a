//! How to compress messages, and how to read compressed ones.
//!
//! Nothing is compressed or accepted unless you say so, whatever features temaki was built with. The features are `gzip` and `deflate`,
//! in Rust alone, and `zstd`, which needs a C compiler.
//!
//! # Read what others compress
//!
//! OpenTelemetry's Collector compresses with gzip by default. One line accepts that, in all services of a server:
//!
//! ```no_run
//! # use temaki::server::Service;
//! # async fn run(greeter: impl Service) -> Result<(), temaki::Error> {
//! temaki::Server::builder()
//!     .accept_compressed_all()
//!     .add_service(greeter)
//!     .serve("[::1]:50051".parse().expect("an address"))
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! A client that compresses for a server without that line gets UNIMPLEMENTED, with a text that names it.
//!
//! The limit on a received message, 4 MiB unless [`max_decoding_message_size`](crate::Channel::max_decoding_message_size) says otherwise,
//! holds for what arrives and for what that becomes. It holds while the message is decompressed, so a payload of a few bytes cannot take
//! more memory than an ordinary message. A message that becomes longer than 128 KiB is decompressed in a task of its own, a part at a time.
//!
//! # Compress what you send
//!
//! ```no_run
//! # #[cfg(feature = "gzip")]
//! # async fn run() -> Result<(), temaki::Error> {
//! # use temaki_protos::helloworld::greeter_client::GreeterClient;
//! use temaki::codec::CompressionEncoding;
//!
//! let client = GreeterClient::connect("http://[::1]:50051")
//!     .await?
//!     .send_compressed(CompressionEncoding::Gzip)
//!     .accept_compressed(CompressionEncoding::Gzip);
//! # Ok(()) }
//! ```
//!
//! | for | set at |
//! |---|---|
//! | one service | `GreeterServer::new(…)`, or [`Methods`](crate::server::Methods) |
//! | all services of a server | [`Server`](crate::Server) |
//! | one client | `GreeterClient`, or its [`Channel`](crate::Channel) |
//! | all channels to a server | [`Endpoint`](crate::Endpoint) |
//! | one call, which is sent as it is | [`Request::disable_compression`](crate::Request::disable_compression), [`Response::disable_compression`](crate::Response::disable_compression), [`Call::disable_compression`](crate::Call::disable_compression) |
//! | one message of a stream, which is sent as it is | [`ResponseSink::send_as_is`](crate::ResponseSink::send_as_is), [`Call::send_as_is`](crate::Call::send_as_is), [`codec::send_as_is`](crate::codec::send_as_is) in a stream of your own |
//!
//! A server uses a coding that the client listed and that `send_compressed` enabled at the server, and else sends messages as they are. A
//! client with `send_compressed` compresses every request.
//!
//! Messages shorter than 1 KiB are sent as they are, and so are those that compressing makes no smaller.
//! [`compression_threshold`](crate::Channel::compression_threshold) sets another length.
//! [`CompressionEncoding::level`](crate::codec::CompressionEncoding::level) says how hard a coding tries.
//!
//! Do not compress a secret in one message with text that an attacker chose: the length of the message then depends on the secret.
//!
//! # A coding of your own
//!
//! Implement [`ContentCodec`](crate::codec::ContentCodec); [`Compression::custom`](crate::codec::Compression::custom) makes it a value that
//! the methods above take. Both ends have to know it.
