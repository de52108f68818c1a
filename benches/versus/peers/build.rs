//! tonic's generated code for the service of `gates::echo`, from a description in Rust: no protoc, and the messages are the very ones that temaki's programs use.

use tonic_build::manual::{Builder, Method, Service};

fn method(name: &str, route: &str, message: &str) -> tonic_build::manual::MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(message)
        .output_type(message)
        .codec_path("tonic_prost::ProstCodec")
}

fn main() {
    let (words, cargo) = ("gates::echo::Words", "gates::echo::Cargo");
    let echo = Service::builder()
        .name("Echo")
        .package("versus")
        .method(method("say", "Say", words).build())
        .method(method("repeat", "Repeat", words).server_streaming().build())
        .method(method("carry", "Carry", cargo).build())
        .build();
    Builder::new().compile(&[echo]);

    // For `tonic_notes`: what its own build script does, with protox in protoc's place.
    let notes = protox::compile(
        ["../../../crates/migration/proto/notes.proto"],
        ["../../../crates/migration/proto"],
    );
    tonic_prost_build::configure()
        .message_attribute("notes.Note", "#[derive(PartialOrd)]")
        .compile_fds(notes.expect("the file compiles"))
        .expect("OUT_DIR can be written");
}
