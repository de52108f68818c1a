//! Generates the services of `proto/` at the root of the repository.

use std::path::Path;

fn main() -> Result<(), temaki::codegen::Error> {
    let out_dir = std::env::var("OUT_DIR").unwrap_or_default();
    let protos = [
        "helloworld",
        "user",
        "route_guide",
        "echo",
        "health",
        "grpc_testing",
        "guess",
    ];
    temaki::codegen::configure()
        // For reflection, and for tools that want the schema of the user service.
        .file_descriptor_set_path(Path::new(&out_dir).join("protos.bin"))
        // Echoed payloads are handed on as they came, without a copy.
        .bytes(".temaki.test")
        .compile_protos(
            &protos.map(|name| format!("../../proto/{name}.proto")),
            &["../../proto"],
        )?;
    // What examples/etcd calls: a part of somebody else's services.
    temaki::codegen::configure()
        .build_server(false)
        .compile_protos(&["../../proto/etcd/etcdserverpb.proto"], &["../../proto"])?;
    // What examples/otlp_receiver serves: a part of OpenTelemetry's services.
    temaki::codegen::configure()
        .build_client(false)
        .include_file("otlp.rs")
        .compile_protos(
            &["traces", "metrics", "logs"].map(|name| format!("../../proto/otlp/{name}.proto")),
            &["../../proto"],
        )?;
    // The odd files of the generator's tests: they compile where a build script puts them, and
    // rustdoc has nothing to say of them.
    let odd = [
        "nested/outer",
        "comments",
        "odd_names",
        "proto2",
        "well_known",
    ];
    temaki::codegen::configure()
        .include_file("odd.rs")
        .compile_protos(
            &odd.map(|name| format!("../../tests/codegen/{name}.proto")),
            &["../../tests/codegen"],
        )
}
