//! Writes the client's side of a service: a trait with its calls, and the struct that people use.
//!
//! ```text
//! pub mod greeter_client {
//!     pub trait GreeterCalls { … }                 the calls of the service; a mock overrides those it needs
//!     impl<T: Transport> GreeterCalls for T { … }  how a channel, or a wrapper around one, makes each of them
//!     pub struct GreeterClient<C = Channel>
//!     impl<C: GreeterCalls> GreeterClient<C> { … } one async fn a method, in tonic's shape
//!     impl<C: Transport> GreeterClient<C> { … }    the calls that can be held
//! }
//! ```
//!
//! What each client has beside its service's methods (`new`, `connect`, interceptors, limits) is
//! written by a macro of the library. It is the same for every service, and it changes with the
//! library, not with the next run of the code generator.

use super::builder::Options;
use super::layout::{Signature, Text};
use super::names::{Imports, Method, Service, Shape, plain};

pub(super) fn write(service: &Service, options: &Options, text: &mut Text) {
    let Service {
        stem: name,
        module,
        full_name,
        ..
    } = service;
    let mut imports = Imports::beside([format!("{name}Calls"), format!("{name}Client")]);

    // The body first: it determines what the module has to import.
    let mut body = Text::at_depth(1);
    write_trait(service, &mut imports, &mut body);
    body.blank();
    write_blanket(service, options, &mut imports, &mut body);
    body.blank();
    write_client(service, options, &mut imports, &mut body);

    text.docs([format!(" The client's side of `{full_name}`.")]);
    options.write_module_attributes(&options.client_mod_attributes, service, text);
    text.block(&format!("pub mod {module}_client"), |text| {
        for line in imports.lines() {
            text.line(&line);
        }
        text.blank();
        text.append(&body.finish());
    });
}

fn write_trait(service: &Service, imports: &mut Imports, text: &mut Text) {
    let Service {
        stem: name,
        full_name,
        ..
    } = service;
    let transport = imports.name("::temaki::client::Transport");
    let (send, sync) = (
        imports.name("::core::marker::Send"),
        imports.name("::core::marker::Sync"),
    );
    text.docs([
        format!(
            " The calls of `{full_name}`. Every [`{transport}`] makes them, such as a channel."
        ),
        " A mock implements this trait with the methods that its test needs; the others fail with"
            .to_owned(),
        " UNIMPLEMENTED.".to_owned(),
    ]);
    text.deprecated(service.deprecated);
    let sized = imports.name("::core::marker::Sized");
    let bounds = format!("{sized} + {send} + {sync} + 'static");
    text.interface(&format!("pub trait {name}Calls"), &bounds, |text| {
        for (index, method) in service.methods.iter().enumerate() {
            if index > 0 {
                text.blank();
            }
            text.docs(&method.docs);
            text.deprecated(method.deprecated);
            write_call(method, imports, text, |_, text| {
                // In full: the editions of rustfmt differ in where a function stands in a list.
                let unmocked = "::temaki::client::unmocked";
                text.call(unmocked, &["request", &method.path_constant(service)]);
            });
        }
    });
}

/// What a transport does for each call.
fn write_blanket(service: &Service, options: &Options, imports: &mut Imports, text: &mut Text) {
    let transport = imports.name("::temaki::client::Transport");
    let head = format!("impl<T: {transport}>");
    text.implement(&head, &format!("{}Calls for T", service.stem), |text| {
        for (index, method) in service.methods.iter().enumerate() {
            if index > 0 {
                text.blank();
            }
            let shape = match method.shape {
                Shape::Unary => "unary",
                Shape::ClientStreaming => "client_streaming",
                Shape::ServerStreaming => "server_streaming",
                Shape::Bidirectional => "streaming",
            };
            write_call(method, imports, text, |imports, text| {
                write_path(service, method, imports, text);
                let codec = options.codec(imports);
                // Named through the trait: a method of the service may be called `unary`.
                text.call(
                    &format!("{transport}::{shape}"),
                    &["self", "path", &codec, "request"],
                );
            });
        }
    });
}

/// `let path = …;`
fn write_path(service: &Service, method: &Method, imports: &mut Imports, text: &mut Text) {
    let path = imports.name("::temaki::client::PathAndQuery");
    let constant = method.path_constant(service);
    text.assign_call("let path", &format!("{path}::from_static"), &constant);
}

/// One call of the trait, with a body.
fn write_call(
    method: &Method,
    imports: &mut Imports,
    text: &mut Text,
    body: impl FnOnce(&mut Imports, &mut Text),
) {
    let Method { name, input, .. } = method;
    let (request, future) = (
        imports.name("::temaki::Request"),
        imports.name("::core::future::Future"),
    );
    let send = imports.name("::core::marker::Send");
    let returns = format!(
        "impl {future}<Output = {}> + {send}",
        result(method, imports)
    );

    let (head, argument, items);
    let bounds: &[&str] = match method.shape.takes_stream() {
        true => {
            (head, argument) = (format!("fn {name}<S>"), format!("request: {request}<S>"));
            items = format!("{}<Item = {input}>", imports.name("::temaki::Stream"));
            &[&items, send, "'static"]
        }
        false => {
            (head, argument) = (format!("fn {name}"), format!("request: {request}<{input}>"));
            &[]
        }
    };
    let signature = Signature {
        head: &head,
        params: &["&self", &argument],
        returns: &returns,
        bounds: (!bounds.is_empty()).then_some(("S", bounds)),
    };
    text.define(&signature, |text| body(imports, text));
}

fn write_client(service: &Service, options: &Options, imports: &mut Imports, text: &mut Text) {
    let (name, channel) = (&service.stem, imports.name("::temaki::client::Channel"));
    text.docs(&service.docs);
    text.deprecated(service.deprecated);
    let derive = "Debug, Clone";
    options.write_derive(derive, &options.client_attributes, service, text);
    text.block(&format!("pub struct {name}Client<C = {channel}>"), |text| {
        text.line("calls: C,")
    });
    text.blank();

    let without = if options.build_transport {
        ""
    } else {
        ", without connect"
    };
    text.line(
        "// What each client has: new, connect, with_interceptor, max_decoding_message_size, …",
    );
    text.line(&format!("::temaki::__client!({name}Client{without});"));

    let held: Vec<&Method> = service
        .methods
        .iter()
        .filter(|method| method.shape.takes_stream())
        .collect();
    if !service.methods.is_empty() {
        text.blank();
        text.implement(
            &format!("impl<C: {name}Calls>"),
            &format!("{name}Client<C>"),
            |text| {
                for (index, method) in service.methods.iter().enumerate() {
                    if index > 0 {
                        text.blank();
                    }
                    write_method(service, method, imports, text);
                }
            },
        );
    }
    if !held.is_empty() {
        text.blank();
        let head = format!("impl<C: {}>", imports.name("::temaki::client::Transport"));
        text.implement(&head, &format!("{name}Client<C>"), |text| {
            for (index, method) in held.into_iter().enumerate() {
                if index > 0 {
                    text.blank();
                }
                write_held(service, method, options, imports, text);
            }
        });
    }
}

fn write_method(service: &Service, method: &Method, imports: &mut Imports, text: &mut Text) {
    let Method {
        name,
        client_name,
        input,
        ..
    } = method;
    text.docs(&method.docs);
    if client_name != name {
        let note = format!(" (`{name}` is the client's own: hence the underscore.)");
        text.docs([String::new(), note]);
    }
    text.deprecated(method.deprecated);
    let (argument, convert) = match method.shape.takes_stream() {
        true => {
            let into = imports.name("::temaki::IntoStreamingRequest");
            (
                format!("request: impl {into}<Message = {input}>"),
                "into_streaming_request",
            )
        }
        false => {
            let into = imports.name("::temaki::IntoRequest");
            (format!("request: impl {into}<{input}>"), "into_request")
        }
    };
    let signature = Signature {
        head: &format!("pub async fn {client_name}"),
        params: &["&self", &argument],
        returns: &result(method, imports),
        bounds: None,
    };
    // Named through the trait: a method called `clone` or `unary` would otherwise meet another one.
    let call = format!("{}Calls::{name}", service.stem);
    let arguments = ["&self.calls", &format!("request.{convert}()")];
    text.define(&signature, |text| text.awaited(&call, &arguments));
}

/// A call that is held open. Only a transport can make one, so it is not in the service's trait.
fn write_held(
    service: &Service,
    method: &Method,
    options: &Options,
    imports: &mut Imports,
    text: &mut Text,
) {
    let Method {
        client_name,
        held_name,
        input,
        output,
        ..
    } = method;
    let method_name = plain(client_name);
    text.docs([
        format!(
            " [`{method_name}`](Self::{method_name}), held open: the sender and the receiver of the call"
        ),
        " exist at once, before the response.".to_owned(),
    ]);
    if held_name.ends_with('_') {
        text.docs([
            "",
            " (The name without the underscore is a method of the service.)",
        ]);
    }
    text.deprecated(method.deprecated);
    let call = imports.name("::temaki::client::Call");
    let signature = Signature {
        head: &format!("pub fn {held_name}"),
        params: &["&self"],
        returns: &format!("{call}<{input}, {output}>"),
        bounds: None,
    };
    text.define(&signature, |text| {
        write_path(service, method, imports, text);
        let transport = imports.name("::temaki::client::Transport");
        let codec = options.codec(imports);
        text.call(
            &format!("{transport}::start"),
            &["&self.calls", "path", &codec],
        );
    });
}

/// `Result<Response<…>, Status>`
fn result(method: &Method, imports: &mut Imports) -> String {
    let answers = match method.shape.answers_stream() {
        true => format!("{}<{}>", imports.name("::temaki::Streaming"), method.output),
        false => method.output.clone(),
    };
    let result = imports.name("::core::result::Result");
    let (response, status) = (
        imports.name("::temaki::Response"),
        imports.name("::temaki::Status"),
    );
    format!("{result}<{response}<{answers}>, {status}>")
}
