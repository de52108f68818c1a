//! The code generator without the library around it, as the root build script would include it: it
//! stands on `std`, protox and prost-build alone. (Its unit tests run here once more.)

#[path = "../../src/codegen/mod.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "public in the library, private here"
)]
mod codegen;

#[test]
fn compiles_by_its_path() {
    let error = codegen::compile_protos("nowhere/at/all.proto").unwrap_err();
    assert!(error.to_string().contains("all.proto"), "{error}");
}
