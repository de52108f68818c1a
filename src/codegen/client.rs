//! Writes the client's side of a service: a trait with its calls, and the struct that people use.
//!
//! ```text
//! pub mod greeter_client {
//!     pub trait GreeterCalls { … }         the calls: a Channel makes them, a mock overrides them
//!     pub struct GreeterClient<C = Channel>
//!     impl GreeterClient<C> { … }          one async fn a method, in tonic's shape
//! }
//! ```
//!
//! What each client has beside its service's methods (`new`, `connect`, interceptors, limits) is
//! written by a macro of the library: the same for every service, and new with the library rather
//! than with the next run of the code generator.

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

    // The body first: it tells what the module has to import.
    let mut body = Text::at_depth(1);
    write_trait(service, options, &mut imports, &mut body);
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

fn write_trait(service: &Service, options: &Options, imports: &mut Imports, text: &mut Text) {
    let Service {
        stem: name,
        full_name,
        ..
    } = service;
    let channel = imports.name("::temaki::client::Channel");
    let (send, sync) = (
        imports.name("::core::marker::Send"),
        imports.name("::core::marker::Sync"),
    );
    text.docs([format!(
        " The calls of `{full_name}`: a [`{channel}`] makes them, a mock overrides them."
    )]);
    text.deprecated(service.deprecated);
    let sized = imports.name("::core::marker::Sized");
    let bounds = format!("{sized} + {send} + {sync} + 'static");
    text.interface(&format!("pub trait {name}Calls"), &bounds, |text| {
        for (index, method) in service.methods.iter().enumerate() {
            if index > 0 {
                text.blank();
            }
            write_call(method, options, imports, text);
        }
    });
    text.blank();
    text.line(&format!("impl {name}Calls for {channel} {{}}"));
}

/// One call of the trait, with the body that makes it.
fn write_call(method: &Method, options: &Options, imports: &mut Imports, text: &mut Text) {
    let Method { name, input, .. } = method;
    let calls = imports.name("::temaki::client::Calls");
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
            items = format!(
                "{}<Item = {input}>",
                imports.name("::temaki::__private::Stream")
            );
            &[&items, send, "'static"]
        }
        false => {
            (head, argument) = (format!("fn {name}"), format!("request: {request}<{input}>"));
            &[]
        }
    };
    let shape = match method.shape {
        Shape::Unary => "unary",
        Shape::ClientStreaming => "client_streaming",
        Shape::ServerStreaming => "server_streaming",
        Shape::Bidirectional => "streaming",
    };

    text.docs(&method.docs);
    text.deprecated(method.deprecated);
    let signature = Signature {
        head: &head,
        params: &["&self", &argument],
        returns: &returns,
        bounds: (!bounds.is_empty()).then_some(("S", bounds)),
    };
    text.define(&signature, |text| {
        text.assign("let path", &format!("\"{}\"", method.path));
        let codec = options.codec(imports);
        text.call(
            &format!("{calls}::{shape}"),
            &["self", "path", &codec, "request"],
        );
    });
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
        text.block(&format!("impl {name}Client"), |text| {
            for (index, method) in held.into_iter().enumerate() {
                if index > 0 {
                    text.blank();
                }
                write_held(method, options, imports, text);
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

/// A call that is held open: only a channel can make one, so it is not in the trait.
fn write_held(method: &Method, options: &Options, imports: &mut Imports, text: &mut Text) {
    let Method {
        client_name,
        held_name,
        input,
        output,
        path,
        ..
    } = method;
    let method_name = plain(client_name);
    text.docs([
        format!(
            " [`{method_name}`](Self::{method_name}), held open: the two ends of the call exist"
        ),
        " as soon as its stream does, before the server has answered.".to_owned(),
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
        text.assign("let path", &format!("\"{path}\""));
        let calls = imports.name("::temaki::client::Calls");
        let codec = options.codec(imports);
        text.call(&format!("{calls}::start"), &["&self.calls", "path", &codec]);
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
