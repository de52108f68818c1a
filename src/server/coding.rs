//! Which codings do the messages of a call have?
//!
//! A request says which coding its compressed messages are in, and which ones its client reads. The server and the service say what they
//! read and write. A call for which nothing was enabled, which most are, asks none of that.
//!
//! Spec: [compression](https://github.com/grpc/grpc/blob/master/doc/compression.md).

use http::header::HeaderValue;
use http::{Extensions, HeaderMap};

use super::end::Failure;
use super::options::MethodOptions;
use crate::call::coding;
use crate::call::reader::MessageReader;
use crate::call::writer::MessageWriter;
use crate::compression::codings::Allowed;
use crate::compression::encoding::Compression;
use crate::head::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING};
use crate::request::SentAsIs;
use crate::status::{Origin, Status};
use crate::wire::code::Code;

/// What a call that may compress has agreed on with its client.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// The coding of the request's messages.
    read: Option<Compression>,
    /// The coding of the response's messages.
    write: Option<Compression>,
    min_len: usize,
    /// What is read here.
    list: HeaderValue,
}

impl Agreed {
    /// Finds out what `headers` ask for. `encoding` is the coding of the request.
    ///
    /// # Errors
    /// UNIMPLEMENTED if that is not read here.
    #[cold]
    pub(super) fn new(
        allowed: Allowed<'_>,
        encoding: Option<&HeaderValue>,
        headers: &HeaderMap,
    ) -> Result<Box<Self>, Failure> {
        let list = allowed.list();
        let read = match encoding {
            None => None,
            Some(name) => match allowed.reads(name.as_bytes()) {
                Some(compression) => Some(compression.clone()),
                None => {
                    let status = unsupported(name, &list);
                    return Err(Failure::Encoding(status, Box::new(list)));
                }
            },
        };
        let theirs = headers.get(&GRPC_ACCEPT_ENCODING);
        let write = theirs.and_then(|theirs| allowed.writes(theirs.as_bytes()));
        Ok(Box::new(Self {
            read,
            write: write.cloned(),
            min_len: allowed.min_len(),
            list,
        }))
    }

    /// Has `reader` read the messages of the request.
    #[cold]
    pub(super) fn reading_with(mut self: Box<Self>, reader: &mut MessageReader) -> Box<Self> {
        if let Some(compression) = self.read.take() {
            reader.decompress(coding::Read::new(compression));
        }
        self
    }

    /// The handler may have said that its response is sent as it is.
    #[cold]
    pub(super) fn look_at(&mut self, extensions: &Extensions) {
        if SentAsIs::is_in(extensions) {
            self.write = None;
        }
    }

    /// Adds to the headers of the response what its client must know.
    #[cold]
    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        if let Some(name) = self.write.as_ref().and_then(Compression::header) {
            headers.insert(&GRPC_ENCODING, name);
        }
        headers.insert(&GRPC_ACCEPT_ENCODING, self.list.clone());
    }

    /// What writes the messages of the response.
    #[cold]
    pub(super) fn writer(&self, options: &MethodOptions) -> MessageWriter {
        let writer = options.writer();
        match &self.write {
            Some(compression) => {
                writer.compressing(coding::Write::new(compression.clone(), self.min_len))
            }
            None => writer,
        }
    }
}

/// What is said of a request in the coding `name`, where those in `accepted` are read.
#[cold]
fn unsupported(name: &HeaderValue, accepted: &HeaderValue) -> Status {
    //= COMP-UNSUPPORTED  unknown request encoding: UNIMPLEMENTED and say what is accepted
    let name = String::from_utf8_lossy(name.as_bytes());
    let accepted = String::from_utf8_lossy(accepted.as_bytes());
    let message = format!(
        "grpc-encoding {name} is not accepted; accepted here: {accepted}. A server of temaki accepts gzip, deflate and zstd with \
         Server::accept_compressed_all(), each if it was built with the feature of that name"
    );
    Status::library(Code::Unimplemented, message, Origin::Protocol)
}
