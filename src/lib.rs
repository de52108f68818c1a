//! gRPC rolled by hand, directly on `h2`.
