//! The codings of this crate and one of the user's, on whole messages: no call, no stream.

use std::future::Future;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::codec::{ContentCodec, Corrupt, Deflater, Inflater, Progress};
use super::deflate::deflate;
use super::encoding::{Compression, CompressionEncoding};
use super::inflate::{AT_ONCE, Failure, Inflating, inflate};

const MIB: usize = 1024 * 1024;

/// Run-length coding: how often, and which byte. A coding of the user's.
#[derive(Debug)]
struct Runs;

impl ContentCodec for Runs {
    fn name(&self) -> &str {
        "x-runs"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(RunsInflater { left: 0 })
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        Box::new(Runs)
    }
}

struct RunsInflater {
    /// Of the run that `payload` begins with.
    left: u8,
}

impl Inflater for RunsInflater {
    fn begin(&mut self) {
        self.left = 0;
    }

    fn inflate(&mut self, payload: &[u8], message: &mut [u8]) -> Result<Progress, Corrupt> {
        let (mut read, mut written) = (0, 0);
        while let Some(&[count, byte]) = payload.get(read..).and_then(<[u8]>::first_chunk) {
            if self.left == 0 {
                self.left = count;
            }
            let n = usize::from(self.left).min(message.len() - written);
            message[written..written + n].fill(byte);
            written += n;
            self.left -= n as u8;
            if self.left > 0 {
                break;
            }
            read += 2;
        }
        let is_done = read == payload.len();
        Ok(Progress {
            read,
            written,
            is_done,
        })
    }
}

impl Deflater for Runs {
    fn deflate(&mut self, message: &[u8], payload: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        let mut len = 0;
        for run in message.chunk_by(|a, b| a == b) {
            for piece in run.chunks(255) {
                let Some(room) = payload.get_mut(len..len + 2) else {
                    return Ok(None);
                };
                room.copy_from_slice(&[piece.len() as u8, piece[0]]);
                len += 2;
            }
        }
        Ok(Some(len))
    }
}

fn all() -> Vec<Compression> {
    let own = CompressionEncoding::ALL.iter().map(|&it| it.into());
    own.chain([Compression::custom(Runs)]).collect()
}

fn deflated(compression: &Compression, message: &[u8]) -> Bytes {
    let mut buf = BytesMut::from(message);
    assert!(
        deflate(compression, &mut buf, 0).unwrap(),
        "{compression:?}"
    );
    buf.freeze()
}

async fn inflated(compression: &Compression, payload: Bytes, max: usize) -> Result<Bytes, Failure> {
    match inflate(compression, payload, max)? {
        Inflating::Whole(message) => Ok(message),
        Inflating::Long(task) => task.await,
    }
}

/// Bytes that no coding makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

#[tokio::test]
async fn b15_b18_every_message_comes_back_alone_and_in_any_order() {
    let lens = [
        1000,
        0x7fff,
        AT_ONCE - 1,
        AT_ONCE,
        AT_ONCE + 1,
        MIB,
        3 * MIB + 7,
    ];
    for compression in all() {
        for len in lens.into_iter().chain(lens.into_iter().rev()) {
            let message: Vec<u8> = (0..len).map(|n| (n / 500) as u8).collect();
            let payload = deflated(&compression, &message);
            assert!(payload.len() < len, "{compression:?}");
            let found = inflated(&compression, payload, 4 * MIB).await.unwrap();
            assert!(found == message, "{compression:?}, {len}");
        }
    }
}

#[tokio::test]
async fn b20_the_limit_holds_while_a_message_grows() {
    for compression in all() {
        for len in [100, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, MIB] {
            let payload = deflated(&compression, &vec![0; len]);
            #[rustfmt::skip]
            let rows = [
                (len + 1, true, "one byte less than the limit"),
                (len, true, "the limit itself"),
                (len - 1, false, "one byte more"),
                (10, false, "many more"),
                (0, false, "nothing is allowed"),
            ];
            for (max, fits, why) in rows {
                let found = inflated(&compression, payload.clone(), max).await;
                let found = found.map(|message| message.len());
                let expected = if fits { Ok(len) } else { Err(Failure::TooLong) };
                assert_eq!(found, expected, "{compression:?}, {len} of {max}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn b15_what_is_cut_or_changed_or_goes_on_is_corrupt() {
    let message = noise(300).repeat(100);
    for &encoding in CompressionEncoding::ALL {
        let compression = Compression::from(encoding);
        let payload = deflated(&compression, &message);
        let mut wrong: Vec<(Vec<u8>, String)> = Vec::new();
        for len in (0..payload.len()).step_by(7).chain([payload.len() - 1]) {
            wrong.push((payload[..len].to_vec(), format!("{len} bytes of it")));
        }
        wrong.push(([&payload[..], b"x"].concat(), "a byte more".into()));
        wrong.push((noise(1000), "noise".into()));
        if encoding.name() != "zstd" {
            let mut check = payload.to_vec();
            *check.last_mut().unwrap() ^= 1;
            wrong.push((check, "another check".into()));
        }
        for (payload, why) in wrong {
            let found = inflated(&compression, payload.into(), 4 * MIB).await;
            assert!(
                matches!(found, Err(Failure::Corrupt(_))),
                "{encoding}: {why}: {found:?}"
            );
        }
        let found = inflated(&compression, payload, 4 * MIB).await.unwrap();
        assert!(found == message, "{encoding}: what failed leaves no trace");
    }
}

#[tokio::test]
async fn what_compressing_makes_no_smaller_is_left_as_it_is() {
    for compression in all() {
        for message in [&b""[..], b"a", &noise(5000)] {
            let mut buf = BytesMut::from(&b"before"[..]);
            buf.extend_from_slice(message);
            assert!(!deflate(&compression, &mut buf, 6).unwrap());
            assert_eq!(buf[6..], *message);
        }
        let mut buf = BytesMut::from(&b"before"[..]);
        buf.extend_from_slice(&[7; 5000]);
        assert!(deflate(&compression, &mut buf, 6).unwrap());
        assert_eq!(buf[..6], *b"before");
        let found = inflated(&compression, buf.split_off(6).freeze(), MIB).await;
        assert_eq!(found.unwrap(), [7; 5000][..]);
    }
}

#[tokio::test]
async fn levels_write_differently_and_read_alike() {
    let message = noise(100).into_iter().flat_map(|byte| [byte, 0, byte]);
    let message = message.collect::<Vec<_>>().repeat(30);
    for &encoding in CompressionEncoding::ALL {
        let (quick, small) = (encoding.level(-100), encoding.level(100));
        let small = deflated(&small, &message);
        let mut buf = BytesMut::from(&message[..]);
        if deflate(&quick, &mut buf, 0).unwrap() {
            assert!(small.len() <= buf.len(), "{encoding}");
        }
        let found = inflated(&quick, small, MIB).await.unwrap();
        assert_eq!(found, message, "{encoding}");
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn members_of_gzip_and_frames_of_zstd_may_follow_each_other() {
    for &encoding in CompressionEncoding::ALL {
        let compression = Compression::from(encoding);
        let (one, two) = (vec![1; 1000], vec![2; AT_ONCE]);
        let both = [deflated(&compression, &one), deflated(&compression, &two)].concat();
        let found = inflated(&compression, both.into(), MIB).await;
        match encoding.name() {
            "deflate" => assert!(matches!(found, Err(Failure::Corrupt(_)))),
            _ => assert_eq!(found.unwrap(), [one, two].concat(), "{encoding}"),
        }
    }
}

#[cfg(feature = "zstd")]
#[tokio::test]
async fn a_zstd_window_above_8_mib_is_refused() {
    let zstd = Compression::from(CompressionEncoding::Zstd);
    // Magic, no content size, and the window; then a block of one byte that is repeated, the last.
    let frame = |window_log: u8, mantissa: u8| {
        let window = (window_log - 10) << 3 | mantissa;
        [&b"\x28\xb5\x2f\xfd\x00"[..], &[window], b"\x43\x1f\x00a"].concat()
    };
    #[rustfmt::skip]
    let rows = [
        (frame(10, 0), None, "1 KiB"),
        (frame(23, 0), None, "8 MiB"),
        (frame(23, 1), Some(true), "9 MiB"),
        (frame(27, 0), Some(true), "128 MiB"),
        (frame(41, 7), Some(true), "3.75 TiB"),
    ];
    for (payload, refused, why) in rows {
        let found = match inflated(&zstd, payload.into(), MIB).await {
            Ok(message) => {
                assert!(message == vec![b'a'; 0x3e8], "{why}: {message:?}");
                None
            }
            Err(Failure::Corrupt(corrupt)) => Some(corrupt.is_limit()),
            Err(failure) => panic!("{why}: {failure:?}"),
        };
        assert_eq!(found, refused, "{why}");
    }
}

/// A long message gives up its thread: on a runtime of one thread another task has its turn in between.
#[tokio::test]
async fn a_long_message_lets_others_have_their_turn() {
    for compression in all() {
        let payload = deflated(&compression, &vec![0; 4 * MIB]);
        let Ok(Inflating::Long(task)) = inflate(&compression, payload, 4 * MIB) else {
            panic!("4 MiB are long");
        };
        let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = turns.clone();
        let neighbour = tokio::spawn(async move {
            loop {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(task.await.unwrap().len(), 4 * MIB);
        neighbour.abort();
        let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
        assert!(turns >= 15, "{compression:?}: {turns} turns for 16 steps");
    }
}

/// Outside of any runtime a long message comes too.
#[test]
fn a_long_message_needs_no_runtime() {
    for compression in all() {
        let payload = deflated(&compression, &vec![0; MIB]);
        let Ok(Inflating::Long(mut task)) = inflate(&compression, payload, MIB) else {
            panic!("1 MiB is long");
        };
        let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let begun = Instant::now();
        let message = loop {
            assert!(begun.elapsed().as_secs() < 60);
            match std::future::Future::poll(std::pin::Pin::new(&mut task), cx) {
                std::task::Poll::Ready(message) => break message,
                std::task::Poll::Pending => {}
            }
        };
        assert_eq!(message.unwrap().len(), MIB);
    }
}

/// Says of itself what it likes.
#[derive(Debug, Clone, Copy)]
struct Liar {
    announced: Option<u64>,
    progress: Option<Progress>,
}

impl ContentCodec for Liar {
    fn name(&self) -> &str {
        "x-liar"
    }

    fn inflater(&self) -> Box<dyn Inflater> {
        Box::new(*self)
    }

    fn deflater(&self) -> Box<dyn Deflater> {
        Box::new(*self)
    }
}

impl Inflater for Liar {
    fn begin(&mut self) {}

    fn announced_len(&self, _: &[u8]) -> Option<u64> {
        self.announced
    }

    fn inflate(&mut self, _: &[u8], _: &mut [u8]) -> Result<Progress, Corrupt> {
        Ok(self.progress.expect("it panics"))
    }
}

impl Deflater for Liar {
    fn deflate(&mut self, _: &[u8], _: &mut [u8]) -> Result<Option<usize>, Corrupt> {
        Ok(Some(usize::MAX))
    }
}

#[tokio::test]
async fn a_coding_of_the_users_may_be_wrong() {
    let progress = |read, written, is_done| {
        Some(Progress {
            read,
            written,
            is_done,
        })
    };
    #[rustfmt::skip]
    let rows = [
        (None, progress(0, 0, false), "it never comes on"),
        (Some(u64::MAX), progress(0, 0, false), "the same, in a task"),
        (None, progress(usize::MAX, usize::MAX, false), "more than there is"),
        (Some(u64::MAX), progress(usize::MAX, usize::MAX, false), "the same, in a task"),
        (Some(u64::MAX), progress(0, 0, true), "done, and bytes are left"),
        (Some(u64::MAX), None, "it panics"),
    ];
    for (announced, progress, why) in rows {
        let compression = Compression::custom(Liar {
            announced,
            progress,
        });
        let found = inflated(&compression, vec![0; 10].into(), MIB).await;
        assert!(found.is_err(), "{why}: {found:?}");
    }
    let compression = Compression::custom(Liar {
        announced: None,
        progress: None,
    });
    let mut buf = BytesMut::from(&b"abc"[..]);
    deflate(&compression, &mut buf, 0).unwrap_err();
    assert_eq!(buf, b"abc"[..]);
}

/// Payloads that are long and make nothing.
#[cfg(all(feature = "gzip", feature = "deflate", feature = "zstd"))]
fn idle_payloads() -> Vec<(CompressionEncoding, Vec<u8>)> {
    const MEMBER: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0";
    const BLOCK: &[u8] = b"\0\0\0\xff\xff";
    const FRAME: &[u8] = b"\x28\xb5\x2f\xfd\x20\0\x01\0\0";
    let blocks = BLOCK.repeat(MIB / BLOCK.len());
    let blocks = [b"\x78\x9c", &blocks[..], b"\x01\0\0\xff\xff\0\0\0\x01"].concat();
    vec![
        (CompressionEncoding::Gzip, MEMBER.repeat(10_000)),
        (CompressionEncoding::Deflate, blocks),
        (CompressionEncoding::Zstd, FRAME.repeat(10_000)),
    ]
}

/// What a message costs is not what it becomes: empty members and blocks take as long, and make nothing.
#[cfg(all(feature = "gzip", feature = "deflate", feature = "zstd"))]
#[tokio::test]
async fn what_makes_nothing_lets_others_have_their_turn_as_well() {
    for (encoding, payload) in idle_payloads() {
        let Ok(Inflating::Long(task)) = inflate(&encoding.into(), payload.into(), MIB) else {
            panic!("{encoding}: it takes long");
        };
        let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = turns.clone();
        let neighbour = tokio::spawn(async move {
            loop {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(task.await.unwrap(), b""[..], "{encoding}");
        neighbour.abort();
        let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
        assert!(turns >= 10, "{encoding}: {turns} turns");
    }
}

/// Where the reader has no limit, a payload of 20 bytes that announces a tebibyte takes none.
#[cfg(feature = "zstd")]
#[tokio::test]
async fn memory_is_not_taken_because_a_payload_announces_it() {
    let zstd = Compression::from(CompressionEncoding::Zstd);
    for log in [33, 40, 46, 62, 63] {
        // Magic, a length of 8 bytes, a window of 1 KiB; then a block of one byte that is repeated, the last.
        let len = (1u64 << log).to_le_bytes();
        let payload = [&b"\x28\xb5\x2f\xfd\xc0\0"[..], &len, b"\x43\x1f\0a"].concat();
        let found = inflated(&zstd, payload.into(), usize::MAX).await;
        assert!(
            matches!(found, Err(Failure::Corrupt(_))),
            "{log}: {found:?}"
        );
    }
}

/// A runtime of one thread, and in it as many messages in the middle as may be inflated at once.
fn begin_and_leave() -> (tokio::runtime::Runtime, Vec<Inflating>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = runtime.block_on(async {
        let begin = |_| {
            let payload = deflated(&Compression::custom(Runs), &vec![0; 4 * MIB]);
            inflate(&Compression::custom(Runs), payload, 4 * MIB).unwrap()
        };
        let begun = (0..cores).map(begin).collect();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        begun
    });
    (runtime, begun)
}

fn inflate_elsewhere() -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let payload = deflated(&Compression::custom(Runs), &vec![0; 4 * MIB]);
    let runs = Compression::custom(Runs);
    let mut message = std::pin::pin!(inflated(&runs, payload, 4 * MIB));
    // 16 turns are enough for a message that does not have to wait.
    for _ in 0..1000 {
        let is_whole = runtime.block_on(async {
            tokio::task::yield_now().await;
            let poll = |cx: &mut std::task::Context<'_>| {
                std::task::Poll::Ready(message.as_mut().poll(cx).is_ready())
            };
            std::future::poll_fn(poll).await
        });
        if is_whole {
            return true;
        }
    }
    false
}

/// A blocking client drives its runtime in a call, and not between two.
#[test]
fn a_runtime_that_is_not_driven_keeps_no_other_thread_waiting() {
    let left = begin_and_leave();
    let is_whole = std::thread::spawn(inflate_elsewhere).join().unwrap();
    assert!(is_whole);
    drop(left);
}

#[test]
fn a_message_that_is_dropped_ends_its_turn_also_where_its_runtime_is_not_driven() {
    let (runtime, begun) = begin_and_leave();
    drop(begun);
    assert!(inflate_elsewhere());
    drop(runtime);
}
