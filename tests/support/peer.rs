//! A peer that speaks frames: whatever it is told to say, and it tells what it hears.
//!
//! By itself it does only what every peer must: it acknowledges SETTINGS and PING, and gives credit for
//! the DATA that it has read. Each can be switched off.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::frame::{self, ACK, END_HEADERS, END_STREAM, Frame, PREFACE, kind, name, setting};
use super::grpc::Answer;
use super::{PATIENCE, hpack};

/// What a peer can speak over: a socket, a pipe in memory.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// One end of an HTTP/2 connection, by hand.
pub struct Peer {
    io: Box<dyn Io>,
    unread: BytesMut,
    /// Heard, and not asked for yet.
    waiting: VecDeque<Frame>,
    /// The other side has closed; how.
    closed: Option<String>,
    decoder: loona_hpack::Decoder<'static>,
    /// A header block that is not complete: stream, END_STREAM, what has come of it.
    block: Option<(u32, bool, Vec<u8>)>,
    /// What the other side announced.
    pub settings: HashMap<u16, u32>,
    /// Acknowledge SETTINGS and PING.
    pub acks: bool,
    /// Give credit for DATA as soon as it is read.
    pub credits: bool,
    /// How much may be sent: on the connection, and how far each stream is from its initial window.
    connection_window: i64,
    stream_windows: HashMap<u32, i64>,
    pings: u64,
    /// What was said and heard, for the report of a failure.
    log: Vec<String>,
}

/// The headers of one block, in their order.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields(pub Vec<(String, Bytes)>);

impl Fields {
    /// The first value under `name`, which must be text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every value under `name`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|field| field.0 == name);
        values
            .map(|field| std::str::from_utf8(&field.1).expect("a header value of text"))
            .collect()
    }

    /// The first value under `name`, as bytes.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.0.iter();
        fields
            .find(|field| field.0 == name)
            .map(|field| &field.1[..])
    }

    /// All names, in their order.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|field| field.0.as_str()).collect()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, value)| (name, value)))
            .finish()
    }
}

/// A listener whose connections are raw peers: the server that temaki's client speaks to.
pub struct RawServer(TcpListener);

impl RawServer {
    /// Listens on a free port.
    pub async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    /// What temaki's client connects to.
    pub fn target(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The next connection, after both sides' SETTINGS.
    pub async fn accept(&self) -> Peer {
        self.accept_with(&[]).await
    }

    /// The same, with these SETTINGS of our own.
    pub async fn accept_with(&self, values: &[(u16, u32)]) -> Peer {
        Peer::server(self.accept_silent().await, values).await
    }

    /// The next connection, on which nothing was said yet.
    pub async fn accept_silent(&self) -> TcpStream {
        let accepted = super::soon("a connection", self.0.accept()).await;
        accepted.expect("a connection").0
    }
}

impl Peer {
    /// A peer that has said nothing yet.
    pub fn silent(io: impl Io + 'static) -> Self {
        Self {
            io: Box::new(io),
            unread: BytesMut::new(),
            waiting: VecDeque::new(),
            closed: None,
            decoder: loona_hpack::Decoder::new(),
            block: None,
            settings: HashMap::new(),
            acks: true,
            credits: true,
            connection_window: 65_535,
            stream_windows: HashMap::new(),
            pings: 0,
            log: Vec::new(),
        }
    }

    /// A client: says the preface and SETTINGS of these values, and hears the server's.
    pub async fn client(io: impl Io + 'static, values: &[(u16, u32)]) -> Self {
        let mut peer = Self::silent(io);
        peer.raw(PREFACE).await;
        peer.frame(kind::SETTINGS, 0, 0, &frame::settings(values))
            .await;
        peer.expect_settings().await;
        peer
    }

    /// A server: hears the preface and the client's SETTINGS, and says its own.
    pub async fn server(io: impl Io + 'static, values: &[(u16, u32)]) -> Self {
        let mut peer = Self::silent(io);
        peer.frame(kind::SETTINGS, 0, 0, &frame::settings(values))
            .await;
        while peer.unread.len() < PREFACE.len() {
            peer.fill().await;
            if let Some(how) = &peer.closed {
                peer.fail(&format!("the preface; {how}"));
            }
        }
        assert_eq!(peer.unread.split_to(PREFACE.len()), &PREFACE[..]);
        peer.expect_settings().await;
        peer
    }

    // Speaking.

    /// Writes bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        if let Err(error) = self.try_raw(bytes).await {
            self.fail(&format!("writing: {error}"));
        }
    }

    /// The same, for a test in which the other side may have closed.
    pub async fn try_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        match tokio::time::timeout(PATIENCE, write).await {
            Ok(result) => result,
            Err(_) => self.fail("the other side to take what is written"),
        }
    }

    /// Writes one frame of any kind.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.log.push(format!(
            "▶ type {kind:#x} flags={flags:#x} stream={stream} len={}",
            payload.len()
        ));
        self.raw(&frame::encode(kind, flags, stream, payload)).await;
    }

    /// HEADERS. `flags` is `END_STREAM` or 0; the block is complete.
    pub async fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        stream: u32,
        flags: u8,
        fields: &[(N, V)],
    ) {
        let block = hpack::encode(fields);
        self.frame(kind::HEADERS, flags | END_HEADERS, stream, &block)
            .await;
    }

    /// DATA, whatever the windows say.
    pub async fn data(&mut self, stream: u32, flags: u8, bytes: &[u8]) {
        self.connection_window -= bytes.len() as i64;
        *self.stream_windows.entry(stream).or_default() -= bytes.len() as i64;
        self.frame(kind::DATA, flags, stream, bytes).await;
    }

    /// DATA in as many frames as the other side's windows ask for; waits for credit. `flags` go with the
    /// last.
    pub async fn data_within_windows(&mut self, stream: u32, flags: u8, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let len = rest.len().min(self.window(stream)).min(16_384);
            if len == 0 && !rest.is_empty() {
                if !self.hear().await {
                    self.fail("credit");
                }
                continue;
            }
            let (now, later) = rest.split_at(len);
            let is_last = later.is_empty();
            self.data(stream, if is_last { flags } else { 0 }, now)
                .await;
            rest = later;
            if is_last {
                return;
            }
        }
    }

    /// How much the other side would take on `stream` now.
    pub fn window(&self, stream: u32) -> usize {
        let initial = self.settings.get(&setting::INITIAL_WINDOW_SIZE);
        let initial = i64::from(initial.copied().unwrap_or(65_535));
        let stream = initial + self.stream_windows.get(&stream).copied().unwrap_or(0);
        usize::try_from(stream.min(self.connection_window)).unwrap_or(0)
    }

    /// A whole unary request: HEADERS, and one message with END_STREAM.
    pub async fn call<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        stream: u32,
        fields: &[(N, V)],
        message: impl AsRef<[u8]>,
    ) {
        self.headers(stream, 0, fields).await;
        self.data(stream, END_STREAM, &super::message(message))
            .await;
    }

    /// RST_STREAM.
    pub async fn reset(&mut self, stream: u32, code: u32) {
        self.frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
            .await;
    }

    /// WINDOW_UPDATE; stream 0 is the connection.
    pub async fn window_update(&mut self, stream: u32, by: u32) {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
            .await;
    }

    /// GOAWAY.
    pub async fn goaway(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.frame(kind::GOAWAY, 0, 0, &payload).await;
    }

    /// Closes our half of the socket, or drops the whole of it by dropping the peer.
    pub async fn shutdown(&mut self) {
        let _ = self.io.shutdown().await;
    }

    // Listening.

    /// The next frame on `stream` (0: on the connection), whatever comes on others meanwhile. `None` when
    /// the other side has closed.
    pub async fn next(&mut self, stream: u32) -> Option<Frame> {
        self.next_where(|frame| frame.stream() == stream).await
    }

    /// The next frame that `wanted` says yes to. Credit, and acknowledgements of SETTINGS, never come up.
    pub async fn next_where(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            if let Some(index) = self.waiting.iter().position(&wanted) {
                return self.waiting.remove(index);
            }
            if !self.hear().await {
                return None;
            }
        }
    }

    /// The other side's SETTINGS.
    pub async fn expect_settings(&mut self) -> Vec<(u16, u32)> {
        match self.next(0).await {
            Some(Frame::Settings { ack: false, values }) => values,
            other => self.fail(&format!("SETTINGS; came {other:?}")),
        }
    }

    /// HEADERS that do not end the stream.
    pub async fn expect_headers(&mut self, stream: u32) -> Fields {
        match self.next(stream).await {
            Some(Frame::Headers {
                end: false, fields, ..
            }) => fields,
            other => self.fail(&format!("HEADERS on {stream}; came {other:?}")),
        }
    }

    /// HEADERS that end the stream: trailers, or Trailers-Only.
    pub async fn expect_trailers(&mut self, stream: u32) -> Fields {
        match self.next(stream).await {
            Some(Frame::Headers {
                end: true, fields, ..
            }) => fields,
            other => self.fail(&format!("HEADERS END_STREAM on {stream}; came {other:?}")),
        }
    }

    /// A DATA frame that does not end the stream.
    pub async fn expect_data(&mut self, stream: u32) -> Bytes {
        match self.next(stream).await {
            Some(Frame::Data {
                end: false, bytes, ..
            }) => bytes,
            other => self.fail(&format!("DATA on {stream}; came {other:?}")),
        }
    }

    /// RST_STREAM with this code.
    pub async fn expect_reset(&mut self, stream: u32, code: u32) {
        match self.next(stream).await {
            Some(Frame::Reset { code: came, .. }) if came == code => {}
            other => self.fail(&format!(
                "RST_STREAM {} on {stream}; came {other:?}",
                name(code)
            )),
        }
    }

    /// GOAWAY with this code; gives the last stream it promises to serve.
    pub async fn expect_goaway(&mut self, code: u32) -> u32 {
        match self.next(0).await {
            Some(Frame::GoAway {
                last, code: came, ..
            }) if came == code => last,
            other => self.fail(&format!("GOAWAY {}; came {other:?}", name(code))),
        }
    }

    /// A request on any stream: its stream and headers.
    pub async fn expect_request(&mut self) -> (u32, Fields) {
        match self
            .next_where(|frame| matches!(frame, Frame::Headers { .. }))
            .await
        {
            Some(Frame::Headers { stream, fields, .. }) => (stream, fields),
            _ => self.fail("a request"),
        }
    }

    /// All DATA of a request, to END_STREAM.
    pub async fn expect_body(&mut self, stream: u32) -> Bytes {
        let mut body = BytesMut::new();
        loop {
            match self.next(stream).await {
                Some(Frame::Data { bytes, end, .. }) => {
                    body.extend_from_slice(&bytes);
                    if end {
                        return body.freeze();
                    }
                }
                other => self.fail(&format!("DATA on {stream}; came {other:?}")),
            }
        }
    }

    /// A complete answer, to END_STREAM on its last header block.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        let mut headers = None;
        let mut body = BytesMut::new();
        loop {
            match self.next(stream).await {
                Some(Frame::Headers { end, fields, .. }) => {
                    let is_trailers_only = headers.is_none();
                    if end {
                        return Answer {
                            headers: headers.unwrap_or_else(|| fields.clone()),
                            body: body.freeze(),
                            trailers: fields,
                            is_trailers_only,
                        };
                    }
                    if !is_trailers_only {
                        self.fail("trailers with END_STREAM");
                    }
                    headers = Some(fields);
                }
                Some(Frame::Data {
                    end: false, bytes, ..
                }) if headers.is_some() => body.extend_from_slice(&bytes),
                other => self.fail(&format!("the answer on {stream}; came {other:?}")),
            }
        }
    }

    /// The end of the connection. Gives what was said before it.
    pub async fn expect_closed(&mut self) -> Vec<Frame> {
        while self.hear().await {}
        self.waiting.drain(..).collect()
    }

    /// Sends a PING and waits for its answer: what the other side had done before, has been heard then.
    pub async fn ping(&mut self) {
        self.pings += 1;
        let opaque = self.pings.to_be_bytes();
        self.frame(kind::PING, 0, 0, &opaque).await;
        let pong = Frame::Ping { ack: true, opaque };
        if self.next_where(|frame| *frame == pong).await.is_none() {
            self.fail("the answer to a PING");
        }
    }

    /// Nothing more was said on `stream` up to now.
    pub async fn expect_nothing(&mut self, stream: u32) {
        self.ping().await;
        let surprise = self.waiting.iter().find(|frame| frame.stream() == stream);
        if let Some(frame) = surprise {
            self.fail(&format!("nothing on {stream}; came {frame:?}"));
        }
    }

    /// Frames heard and not asked for.
    pub fn waiting(&self) -> impl Iterator<Item = &Frame> {
        self.waiting.iter()
    }

    /// How the other side has closed, if it has.
    pub fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Reads until something was heard that a test may ask for, and keeps it. `false` at the end.
    async fn hear(&mut self) -> bool {
        loop {
            while let Some(frame) = self.parse() {
                if self.react(&frame).await {
                    self.waiting.push_back(frame);
                    return true;
                }
                if matches!(frame, Frame::WindowUpdate { .. }) {
                    // Not kept, but whoever waits for credit wants to look again.
                    return true;
                }
            }
            if self.closed.is_some() {
                return false;
            }
            self.fill().await;
        }
    }

    /// Reads once from the other side.
    async fn fill(&mut self) {
        let read = self.io.read_buf(&mut self.unread);
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(0)) => self.closed = Some("the other side closed".into()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.closed = Some(format!("the connection failed: {error}")),
            Err(_) => self.fail("anything at all"),
        }
    }

    /// Does what every peer must. `false` if no test wants to hear of it.
    async fn react(&mut self, frame: &Frame) -> bool {
        self.log.push(format!("◀ {frame:?}"));
        match frame {
            Frame::Settings { ack: true, .. } => false,
            Frame::Settings { values, .. } => {
                self.settings.extend(values.iter().copied());
                if self.acks {
                    self.reply(&frame::encode(kind::SETTINGS, ACK, 0, &[]))
                        .await;
                }
                true
            }
            Frame::Ping { ack: false, opaque } => {
                if self.acks {
                    self.reply(&frame::encode(kind::PING, ACK, 0, opaque)).await;
                }
                !self.acks
            }
            Frame::WindowUpdate { stream: 0, by } => {
                self.connection_window += i64::from(*by);
                false
            }
            Frame::WindowUpdate { stream, by } => {
                *self.stream_windows.entry(*stream).or_default() += i64::from(*by);
                false
            }
            Frame::Data { stream, end, bytes } if self.credits && !bytes.is_empty() => {
                let by = (bytes.len() as u32).to_be_bytes();
                self.reply(&frame::encode(kind::WINDOW_UPDATE, 0, 0, &by))
                    .await;
                if !end {
                    let credit = frame::encode(kind::WINDOW_UPDATE, 0, *stream, &by);
                    self.reply(&credit).await;
                }
                true
            }
            _ => true,
        }
    }

    /// An answer that nobody waits for: the other side may have closed already.
    async fn reply(&mut self, bytes: &[u8]) {
        let _ = self.try_raw(bytes).await;
    }

    /// The next whole frame of what was read.
    fn parse(&mut self) -> Option<Frame> {
        loop {
            let head: [u8; 9] = self.unread.get(..9)?.try_into().ok()?;
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            if self.unread.len() < 9 + len {
                return None;
            }
            self.unread.advance(9);
            let payload = self.unread.split_to(len).freeze();
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            if let Some(frame) = self.understand(head[3], head[4], stream, payload) {
                return Some(frame);
            }
        }
    }

    /// A frame, unless it is a part of a header block that goes on.
    fn understand(&mut self, kind: u8, flags: u8, stream: u32, mut bytes: Bytes) -> Option<Frame> {
        let end = flags & END_STREAM != 0;
        Some(match kind {
            kind::HEADERS | kind::CONTINUATION => {
                let (_, end, block) = self.block.get_or_insert((stream, end, Vec::new()));
                block.extend_from_slice(&bytes);
                if flags & END_HEADERS == 0 {
                    return None;
                }
                let (end, block) = (*end, std::mem::take(block));
                self.block = None;
                let fields = match self.decoder.decode(&block) {
                    Ok(fields) => fields,
                    Err(error) => self.fail(&format!("a header block; {error:?}")),
                };
                let text = |name| String::from_utf8(name).expect("a header name of ASCII");
                let fields = fields.into_iter().map(|(n, v)| (text(n), v.into()));
                Frame::Headers {
                    stream,
                    end,
                    fields: Fields(fields.collect()),
                }
            }
            kind::DATA => Frame::Data { stream, end, bytes },
            kind::RST_STREAM => Frame::Reset {
                stream,
                code: bytes.get_u32(),
            },
            kind::SETTINGS => Frame::Settings {
                ack: flags & ACK != 0,
                values: std::iter::from_fn(|| {
                    (!bytes.is_empty()).then(|| (bytes.get_u16(), bytes.get_u32()))
                })
                .collect(),
            },
            kind::PING => Frame::Ping {
                ack: flags & ACK != 0,
                opaque: bytes[..].try_into().expect("eight bytes"),
            },
            kind::GOAWAY => Frame::GoAway {
                last: bytes.get_u32(),
                code: bytes.get_u32(),
                debug: bytes,
            },
            kind::WINDOW_UPDATE => Frame::WindowUpdate {
                stream,
                by: bytes.get_u32(),
            },
            kind => Frame::Other { kind, stream },
        })
    }

    /// Ends the test, and tells the conversation so far.
    pub fn fail(&self, expected: &str) -> ! {
        let from = self.log.len().saturating_sub(60);
        let closed = self.closed.as_deref().unwrap_or("the connection stands");
        panic!(
            "expected {expected}\n  {}\n  {closed}",
            self.log[from..].join("\n  ")
        );
    }
}
