//! `:path`: which method of which service.
//!
//! ```text
//! Path → ":path" "/" Service-Name "/" {method name}       /helloworld.Greeter/SayHello
//! ```
//!
//! The service is named with its protobuf package in front (`helloworld.Greeter`), or without when
//! it has none (`/Greeter/SayHello`). A path is an exact, case-sensitive name and no URL to be
//! interpreted: nothing is percent-decoded, no `..` resolved, no query understood, for two
//! spellings of one method would be a way round every rule that a proxy or an interceptor holds
//! against its name.
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

#[cfg(test)]
mod tests {
    use super::*;

    //= GRPC-PATH  type=test
    #[test]
    fn b07_a_path_is_an_exact_name() {
        #[rustfmt::skip]
        let rows = [
            ("", None, "nothing"),
            ("/", None, "a web server's root"),
            ("//", None, "two empty names"),
            ("/S", None, "no method"),
            ("/S/", None, "an empty method"),
            ("//M", None, "an empty service"),
            ("S/M", None, "no slash in front"),
            ("/S/M", Some(("S", "M")), "a service without a package"),
            ("/a.b.S/M", Some(("a.b.S", "M")), "one with"),
            ("/s/m", Some(("s", "m")), "case is kept"),
            ("/S/M/", None, "a slash too many"),
            ("/a/S/M", None, "a prefix, as a proxy may add"),
            ("/S/../M", None, "nothing is resolved"),
            ("/S%2FM", None, "nothing is decoded"),
            ("/S/M?x=1", Some(("S", "M?x=1")), "no query is understood: the name of no method"),
            ("*", None, "what OPTIONS sends"),
        ];
        for (path, expected, why) in rows {
            assert_eq!(split(path), expected, "{path:?}: {why}");
            if let Some((service, method)) = expected {
                assert_eq!(join(service, method), path);
            }
        }
    }
}
