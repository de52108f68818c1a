//! gRPC rolled by hand, directly on `h2`.

pub mod wire;
