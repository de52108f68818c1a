//! The way from async code to code that blocks.

/// Runs `work`, which waits for a disk or keeps a core busy, on a thread made for that; the
/// runtime's own threads go on with other calls.
///
/// Dropping this future does not stop work that has begun.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // No code aborts the task, so what can be left is a panic in `work`. It goes on in the
        // task that waits.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
