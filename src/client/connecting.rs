//! How does a target become a channel in one step?
//!
//! With the default settings of an [`Endpoint`], or with the endpoint handed out for other settings.

use super::channel::Channel;
use super::endpoint::Endpoint;
use crate::error::Error;

impl Channel {
    /// Connects to `http://host:port` or `unix:/path`, with default settings; [`Endpoint`] has the others.
    ///
    /// # Errors
    /// If the target is not understood, or the first attempt fails.
    pub async fn connect<T>(target: T) -> Result<Self, Error>
    where
        T: TryInto<Endpoint>,
        T::Error: Into<Error>,
    {
        target.try_into().map_err(Into::into)?.connect().await
    }

    /// The settings of a channel to `uri`, by tonic's name. See [`Endpoint::new`].
    ///
    /// # Panics
    /// If the target is not understood; [`Endpoint::new`] gives an error instead.
    pub fn builder(uri: http::Uri) -> Endpoint {
        match Endpoint::try_from(uri) {
            Ok(endpoint) => endpoint,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`Endpoint::from_static`], by tonic's name.
    ///
    /// # Panics
    /// If the target is not understood.
    pub fn from_static(target: &'static str) -> Endpoint {
        Endpoint::from_static(target)
    }

    /// [`Endpoint::new`], by tonic's name.
    ///
    /// # Errors
    /// If the target is not understood.
    pub fn from_shared(target: impl AsRef<str>) -> Result<Endpoint, Error> {
        Endpoint::new(target)
    }

    /// A channel that connects when the first call is made.
    ///
    /// # Errors
    /// If the target is not understood.
    pub fn connect_lazy<T>(target: T) -> Result<Self, Error>
    where
        T: TryInto<Endpoint>,
        T::Error: Into<Error>,
    {
        Ok(target.try_into().map_err(Into::into)?.connect_lazy())
    }
}
