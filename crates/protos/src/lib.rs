//! The project's own services, as temaki's codegen writes them: what examples and tests call.

/// The greeting that README and the notes on moving here speak of: `proto/helloworld.proto`.
pub mod helloworld {
    temaki::include_proto!("helloworld");
}

/// The user service, the main job: `proto/user.proto`, which has no package.
pub mod user {
    temaki::include_proto!("_");
}

/// The route guide of gRPC's tutorials: `proto/route_guide.proto`.
pub mod routeguide {
    temaki::include_proto!("routeguide");
}

/// An echo of all four shapes, for tests: `proto/echo.proto`.
pub mod echo {
    temaki::include_proto!("temaki.test");
}

/// The health protocol: `proto/health.proto`.
pub mod health {
    temaki::include_proto!("grpc.health.v1");
}

/// The service of the gRPC interop programs: `proto/grpc_testing.proto`.
pub mod grpc_testing {
    temaki::include_proto!("grpc.testing");
}

/// A guessing game, for `examples/held_call`: `proto/guess.proto`.
pub mod guess {
    temaki::include_proto!("guess");
}

/// The services that OpenTelemetry's exporters call, as far as `examples/otlp_receiver` looks at them: `proto/otlp/`.
pub mod otlp {
    include!(concat!(env!("OUT_DIR"), "/otlp.rs"));
}

/// etcd's services, as far as `examples/etcd` calls them: `proto/etcd/etcdserverpb.proto`.
pub mod etcdserverpb {
    temaki::include_proto!("etcdserverpb");
}

/// What etcd stores: `proto/etcd/mvccpb.proto`.
pub mod mvccpb {
    temaki::include_proto!("mvccpb");
}

/// The project's own of these files, compiled: an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = temaki::include_file_descriptor_set!("protos");

/// Odd files, for the code generator's sake: `tests/codegen/`, a module for each package.
pub mod odd {
    include!(concat!(env!("OUT_DIR"), "/odd.rs"));
}
