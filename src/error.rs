//! What fails outside a call: binding, connecting, a target that cannot be read.
//!
//! Within a call everything is a [`Status`](crate::Status). An [`Error`] happens before or beside
//! calls. Its text names what was tried and what the system reported.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// An error outside of any call.
///
/// `Display` and `Debug` write what was tried and all causes, in one line. [`source`](StdError::source)
/// returns the cause itself, for programs.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    /// Shared: all calls that wait for a connection get the same error.
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What was being done when an [`Error`] happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A listener could not be opened, or failed for good.
    Bind,
    /// A connection could not be made, or its peer does not speak HTTP/2.
    Connect,
    /// An address or an option was not understood.
    Config,
    /// A connection that stood has failed.
    Connection,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into().into());
        self
    }

    /// What was being done.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// An endpoint is itself a target, and cannot be a wrong one.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// The same as `Display`: a program whose `main` returns this error prints the sentence and its causes.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = self.source.as_deref().map(|e| e as &dyn StdError);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_prints_is_a_sentence_with_its_causes() {
        let cause = std::io::Error::other("the address is in use");
        let error = Error::new(ErrorKind::Bind, "cannot listen").with_source(cause);
        assert_eq!(format!("{error:?}"), "cannot listen: the address is in use");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}
