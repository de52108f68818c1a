//! What one RPC costs.
//!
//! The programs of this package each play one part over loopback TCP, and a script plays them against one another:
//!
//! | program | part |
//! |---|---|
//! | `floor_server` | raw h2 answering fixed bytes: what any gRPC server on h2 pays at least |
//! | `load` | raw h2 client: many calls in flight, every answer checked; the same for every server |
//! | `temaki_server`, `temaki_client` | the library, doing the same work with protobuf messages |
//!
//! The floor shares no code with temaki, or it could not accuse it. What the programs share stands here: the messages and their bytes ([`echo`]), flags
//! ([`flags`]), the loop that makes calls ([`callers`]), batched socket I/O under h2 ([`batch`]), counters of the process ([`meter`]) and the line protocol by
//! which a script reads them ([`control`]).

pub mod batch;
pub mod callers;
pub mod control;
pub mod echo;
pub mod flags;
pub mod meter;
pub mod tuning;

/// Every program counts allocations with the same allocator, so that the counting costs each the same.
#[global_allocator]
static ALLOCATOR: meter::CountingAllocator = meter::CountingAllocator;

/// What `scripts/dev_ca` has written to `folder`, as PEM: the server's certificate, its key, and the authority.
pub fn certificates(folder: &str) -> [Vec<u8>; 3] {
    ["server.pem", "server.key", "ca.pem"].map(|name| {
        let path = std::path::Path::new(folder).join(name);
        std::fs::read(path).expect("a file of scripts/dev_ca")
    })
}
