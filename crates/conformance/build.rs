//! Generates the conformance suite's messages and service.
//!
//! The suite's `.proto` files are read where the Go module that brings the runner keeps them: they are its authors' work, and a copy
//! here would be a version that nobody updates. TEMAKI_CONFORMANCE_PROTO names the folder; without it the `go` command is asked.

use std::path::PathBuf;
use std::process::Command;

const MODULE: &str = "connectrpc.com/conformance@v1.0.7";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-env-changed=TEMAKI_CONFORMANCE_PROTO");
    let suite = match std::env::var_os("TEMAKI_CONFORMANCE_PROTO") {
        Some(folder) => PathBuf::from(folder),
        None => module_folder()?.join("proto"),
    };
    temaki::codegen::configure().compile_protos(
        &[
            suite.join("connectrpc/conformance/v1/service.proto"),
            suite.join("connectrpc/conformance/v1/client_compat.proto"),
            suite.join("connectrpc/conformance/v1/server_compat.proto"),
        ],
        &[suite],
    )?;
    Ok(())
}

/// Where the module cache has the suite, after downloading it if it must.
fn module_folder() -> Result<PathBuf, String> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .output()
        .map_err(|error| format!("this crate needs the files of {MODULE}: 'go' did not start ({error}); set TEMAKI_CONFORMANCE_PROTO to its proto folder"))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    answer
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("\"Dir\": \"")?
                .split('"')
                .next()
                .map(PathBuf::from)
        })
        .ok_or_else(|| {
            format!(
                "'go mod download {MODULE}' names no folder: {answer}{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
}
