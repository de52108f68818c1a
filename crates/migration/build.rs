fn main() -> Result<(), Box<dyn std::error::Error>> {
    temaki::codegen::configure()
        .message_attribute("notes.Note", "#[derive(PartialOrd)]")
        .compile_protos(&["proto/notes.proto"], &["proto"])?;
    Ok(())
}
