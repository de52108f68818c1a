fn main() -> Result<(), Box<dyn std::error::Error>> {
    tonic_prost_build::configure()
        .message_attribute("notes.Note", "#[derive(PartialOrd)]")
        .compile_protos(&["proto/notes.proto"], &["proto"])?;
    Ok(())
}
