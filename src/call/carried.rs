//! In which span does code of the user's run that was moved to another task?
//!
//! A handler that has to wait is moved to a task of its own, and a stream of requests has one from the start. The span
//! that they were begun in is entered around each of their polls, with the feature `tracing`; without it there is
//! nothing to carry. Task-locals stay behind: there is no way to know which there are.

/// The span that was current when this was made.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Carried {
    #[inline]
    pub(crate) fn current() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    /// Runs `code` in that span.
    #[inline]
    pub(crate) fn run<T>(&self, code: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        return self.span.in_scope(code);
        #[cfg(not(feature = "tracing"))]
        code()
    }
}
