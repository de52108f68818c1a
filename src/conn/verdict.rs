//! Why this side closes a connection on its own account: its peer asks for too much of what costs it little.
//!
//! Each guard has a text for who reports the end here, which says what came, what the limit is and whose it
//! is; and a word for the peer, in the debug text of a GOAWAY, as `h2` and other stacks say them.

use std::fmt;

/// How the text of each begins. `h2` gives streams the text of an error alone, and not the error.
pub(crate) const CLOSED_HERE: &str = "this side closed the connection";

/// Which guard it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Frames that are cheap to send and of no use: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, …
    ControlFrames,
    /// Keepalive that is hastier than allowed.
    #[cfg(feature = "server")]
    Pings,
    /// DATA that no reader can take, too much of it.
    Unread,
    /// It makes us reset streams.
    ErrorResets,
    /// It resets what it has just begun.
    #[cfg(feature = "server")]
    Resets,
    /// A frame, or a header block, that does not end.
    #[cfg(feature = "server")]
    HalfFrame,
}

impl Verdict {
    /// The debug text of the GOAWAY.
    pub(crate) fn debug_data(self) -> &'static str {
        match self {
            Self::ControlFrames => "too_many_control_frames",
            #[cfg(feature = "server")]
            Self::Pings => "too_many_pings",
            Self::Unread => "too_many_unread_data_frames",
            Self::ErrorResets => "too_many_internal_resets",
            #[cfg(feature = "server")]
            Self::Resets => "too_many_resets",
            #[cfg(feature = "server")]
            Self::HalfFrame => "frame_not_finished",
        }
    }

    /// What to say of it here.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::ControlFrames => {
                "the peer sent more PING, SETTINGS, WINDOW_UPDATE, PRIORITY, empty DATA and such frames than \
                 this side allows (a burst, then 100 a second, 10 for each frame that this side sends, and a \
                 WINDOW_UPDATE for each 4 bytes)"
            }
            #[cfg(feature = "server")]
            Self::Pings => {
                "the client sent keepalive PINGs more often than http2_keepalive_permit_interval of this server"
            }
            Self::Unread => {
                "the peer sent more DATA than this side holds of calls that nobody polls (8 MiB of a server's \
                 connection, 64 MiB of a client's, 256 bytes counted for each frame)"
            }
            Self::ErrorResets => {
                "the peer broke HTTP/2 on more streams than this side allows (1,024 at once, then 10 a second)"
            }
            #[cfg(feature = "server")]
            Self::Resets => {
                "the client cancelled more calls at once after it had begun them than this server allows \
                 (2,000 at once, then 100 a second, and 2 for each call that is answered)"
            }
            #[cfg(feature = "server")]
            Self::HalfFrame => {
                "the client began a frame or a header block and did not finish it within 10 s"
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CLOSED_HERE}: {}", self.text())
    }
}

impl std::error::Error for Verdict {}
