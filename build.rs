//! For maintainers: writes `src/generated/` anew from `proto/`.
//!
//! ```text
//! TEMAKI_REGENERATE=1 cargo check --features _regenerate
//! ```
//!
//! For everybody else, also where `proto/` is not there, it does nothing: what is generated is checked in. `tests/codegen/output.rs`
//! holds the two against each other.

/// The code generator, without the library around it.
#[cfg(feature = "_regenerate")]
#[path = "src/codegen/mod.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "public in the library, private here"
)]
mod codegen;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "_regenerate")]
    {
        println!("cargo:rerun-if-changed=src/codegen");
        println!("cargo:rerun-if-changed=proto/health.proto");
        println!("cargo:rerun-if-env-changed=TEMAKI_REGENERATE");
        if std::env::var_os("TEMAKI_REGENERATE").is_some() && std::path::Path::new("proto").is_dir()
        {
            regenerate().unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[cfg(feature = "_regenerate")]
fn regenerate() -> Result<(), Box<dyn std::error::Error>> {
    codegen::configure().compile_protos(&["proto/health.proto"], &["proto"])?;
    // Named after its `.proto` file rather than after the package.
    let made = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("grpc.health.v1.rs");
    std::fs::copy(made, "src/generated/health.rs")?;
    Ok(())
}
