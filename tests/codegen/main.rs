//! What the code generator writes, and what the script that ports a program from tonic writes.
//!
//! Without the feature `codegen` this program compiles and calls what is checked in; with it, it also generates.

#[cfg(feature = "codegen")]
mod alone;
// By its path, so that its paths begin in this folder; public, so that lints see it as a library's.
#[path = "golden.rs"]
pub mod golden;
mod migration;
#[cfg(feature = "codegen")]
mod names;
#[cfg(feature = "codegen")]
mod output;
