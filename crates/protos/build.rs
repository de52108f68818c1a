//! Generates the services of `proto/` at the root of the repository.

use std::path::Path;

fn main() -> Result<(), temaki::codegen::Error> {
    let out_dir = std::env::var("OUT_DIR").unwrap_or_default();
    let protos = ["user", "route_guide", "echo", "health", "grpc_testing"];
    temaki::codegen::configure()
        // For reflection, and for tools that want the schema of the user service.
        .file_descriptor_set_path(Path::new(&out_dir).join("protos.bin"))
        // Echoed payloads are handed on as they came, without a copy.
        .bytes(".temaki.test")
        .compile_protos(
            &protos.map(|name| format!("../../proto/{name}.proto")),
            &["../../proto"],
        )?;
    // Packages in packages, to be compiled where a build script puts them.
    temaki::codegen::configure()
        .include_file("nested.rs")
        .compile_protos(
            &["../../tests/codegen/nested/outer.proto"],
            &["../../tests/codegen"],
        )
}
