//! `:path`: which method of which service.
//!
//! ```text
//! Path → ":path" "/" Service-Name "/" {method name}       /helloworld.Greeter/SayHello
//! ```
//!
//! The service is named with its protobuf package in front (`helloworld.Greeter`), or without when it has none
//! (`/Greeter/SayHello`). A path is an exact, case-sensitive name and no URL to be interpreted: nothing is
//! percent-decoded, no `..` resolved, no query understood, for two spellings of one method would be a way round every
//! rule that a proxy or an interceptor holds against its name.
//!
//! Whether the service exists is not known here.
//!
//! Spec: [Requests](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests).

/// Takes `/Service/Method` apart; `None` if it is not of that shape.
///
/// ```
/// use temaki::wire::path::split;
///
/// assert_eq!(split("/helloworld.Greeter/SayHello"), Some(("helloworld.Greeter", "SayHello")));
/// assert_eq!(split("/favicon.ico"), None);
/// ```
pub fn split(path: &str) -> Option<(&str, &str)> {
    //= GRPC-PATH  "/" service "/" method, case-sensitive
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let whole = !service.is_empty() && !method.is_empty() && !method.contains('/');
    whole.then_some((service, method))
}

/// Puts `/Service/Method` together.
///
/// ```
/// assert_eq!(temaki::wire::path::join("helloworld.Greeter", "SayHello"), "/helloworld.Greeter/SayHello");
/// ```
pub fn join(service: &str, method: &str) -> String {
    let mut path = String::with_capacity(service.len() + method.len() + 2);
    path.extend(["/", service, "/", method]);
    path
}
