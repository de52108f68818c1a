//! A network that fails: a proxy that resets, closes, truncates, stalls and delays, at places that a seed decides.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What befalls a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Both its sockets are reset.
    Reset,
    /// Both are closed in good order.
    Close,
    /// One direction ends, the other goes on.
    Truncate,
    /// Nothing moves any more, and nobody is told.
    Stall,
    /// Every piece is late, and small.
    Delay,
    /// Any of them, or none.
    Mix,
}

pub const FAULTS: [Fault; 6] = [
    Fault::Reset,
    Fault::Close,
    Fault::Truncate,
    Fault::Stall,
    Fault::Delay,
    Fault::Mix,
];

/// How far a connection comes at most before its fault, in bytes of both directions together.
const REACH: u64 = 12_000;
/// Numbers from a seed: SplitMix64.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One that is less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A proxy to `server` whose connections suffer `fault`. It ends when what is returned is dropped, and all its
/// connections with it.
pub async fn proxy(
    server: SocketAddr,
    fault: Fault,
    mut random: Random,
) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let fault = match fault {
                Fault::Mix => FAULTS[random.below(6) as usize],
                fault => fault,
            };
            let random = Random(random.next());
            if let Ok(far) = TcpStream::connect(server).await {
                connections.spawn(relay(near, far, fault, random));
            }
        }
    });
    (addr, tasks)
}

/// Passes bytes on, both ways, until the fault.
async fn relay(mut near: TcpStream, mut far: TcpStream, fault: Fault, mut random: Random) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let mut left = random.below(REACH);
    let (mut up, mut down) = ([0; 1024], [0; 1024]);
    loop {
        let (from_near, read) = tokio::select! {
            read = near.read(&mut up) => (true, read),
            read = far.read(&mut down) => (false, read),
        };
        let len = match read {
            Ok(0) | Err(_) => return,
            Ok(len) => len as u64,
        };
        let is_last = fault != Fault::Delay && fault != Fault::Mix && len >= left;
        let passed = if is_last { left } else { len } as usize;
        left = left.saturating_sub(len);
        let (bytes, to) = match from_near {
            true => (&up[..passed], &mut far),
            false => (&down[..passed], &mut near),
        };
        for piece in bytes.chunks(if fault == Fault::Delay { 100 } else { 1024 }) {
            if fault == Fault::Delay {
                tokio::time::sleep(Duration::from_micros(random.below(300))).await;
            }
            if to.write_all(piece).await.is_err() {
                return;
            }
        }
        if is_last {
            return befall(near, far, fault, from_near).await;
        }
    }
}

async fn befall(mut near: TcpStream, mut far: TcpStream, fault: Fault, from_near: bool) {
    match fault {
        Fault::Reset => {
            for socket in [&near, &far] {
                let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
        }
        Fault::Close | Fault::Delay | Fault::Mix => {}
        Fault::Truncate => {
            let (from, to) = match from_near {
                true => (&mut near, &mut far),
                false => (&mut far, &mut near),
            };
            let _ = to.shutdown().await;
            // The other way goes on, until its end.
            let _ = tokio::io::copy(to, from).await;
        }
        Fault::Stall => std::future::pending().await,
    }
}
