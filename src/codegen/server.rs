//! Writes the server's side of a service: a trait to implement, and the table that names its
//! methods.
//!
//! ```text
//! pub mod greeter_server {
//!     pub trait Greeter { … }              one fn a method, plain `async fn` to implement
//!     pub const SERVICE_NAME               "helloworld.Greeter"
//!     pub type GreeterServer<T>            what Server::add_service takes
//!     pub struct GreeterMethods            the table: name, shape, codec, fn
//! }
//! ```
//!
//! There is no code for the protocol in it: that is the library's, once for all services.

use super::builder::Options;
use super::layout::{Signature, Text};
use super::names::{Imports, Method, Service, Shape, plain};

pub(super) fn write(service: &Service, options: &Options, text: &mut Text) {
    let Service {
        name,
        stem,
        module,
        full_name,
        ..
    } = service;
    let own = [
        name.clone(),
        format!("{stem}Server"),
        format!("{stem}Methods"),
    ];
    let mut imports = Imports::beside(own);

    // The body first: it tells what the module has to import.
    let mut body = Text::at_depth(1);
    write_trait(service, options, &mut imports, &mut body);
    body.blank();
    body.docs([" The service's name on the wire."]);
    body.assign("pub const SERVICE_NAME: &str", &format!("\"{full_name}\""));
    body.blank();
    write_table(service, options, &mut imports, &mut body);

    text.docs([format!(" The server's side of `{full_name}`.")]);
    options.write_module_attributes(&options.server_mod_attributes, service, text);
    text.block(&format!("pub mod {module}_server"), |text| {
        for line in imports.lines() {
            text.line(&line);
        }
        text.blank();
        text.append(&body.finish());
    });
}

fn write_trait(service: &Service, options: &Options, imports: &mut Imports, text: &mut Text) {
    let (send, sync) = (
        imports.name("::core::marker::Send"),
        imports.name("::core::marker::Sync"),
    );
    text.docs(&service.docs);
    text.deprecated(service.deprecated);
    options.write_attributes(&options.trait_attributes, service, text);
    text.interface(
        &format!("pub trait {}", service.name),
        &format!("{send} + {sync} + 'static"),
        |text| {
            for (index, method) in service.methods.iter().enumerate() {
                if index > 0 {
                    text.blank();
                }
                write_method(method, options, imports, text);
            }
        },
    );
}

fn write_method(method: &Method, options: &Options, imports: &mut Imports, text: &mut Text) {
    let Method {
        name,
        input,
        output,
        shape,
        ..
    } = method;
    let (request, response) = (
        imports.name("::temaki::Request"),
        imports.name("::temaki::Response"),
    );
    let (result, status) = (
        imports.name("::core::result::Result"),
        imports.name("::temaki::Status"),
    );
    let (future, send) = (
        imports.name("::core::future::Future"),
        imports.name("::core::marker::Send"),
    );

    let takes = match shape.takes_stream() {
        true => format!("{}<{input}>", imports.name("::temaki::Streaming")),
        false => input.clone(),
    };
    let answers = match (shape.answers_stream(), options.default_stubs) {
        (false, _) => output.clone(),
        // An associated type cannot have a default yet, so a stub settles on the library's own.
        (true, true) => format!("{}<{output}>", imports.name("::temaki::ResponseStream")),
        (true, false) => {
            let stream = imports.name("::temaki::Stream");
            let plain = plain(name);
            text.docs([format!(
                " What [`{plain}`](Self::{plain}) answers with, message by message."
            )]);
            let items = format!("{stream}<Item = {result}<{output}, {status}>>");
            text.bounded(
                &format!("type {}", method.stream_type),
                &[&items, send, "'static"],
                ";",
            );
            format!("Self::{}", method.stream_type)
        }
    };

    text.docs(&method.docs);
    text.deprecated(method.deprecated);
    let returns = format!("{result}<{response}<{answers}>, {status}>");
    let signature = Signature {
        head: &format!("fn {name}"),
        params: &["&self", &format!("request: {request}<{takes}>")],
        returns: &format!("impl {future}<Output = {returns}> + {send}"),
        bounds: None,
    };
    if !options.default_stubs {
        return text.declare(&signature);
    }
    text.define(&signature, |text| {
        text.line("drop(request);");
        text.assign(
            "let message",
            &format!("\"{} is not implemented\"", method.path),
        );
        text.line(&format!(
            "::core::future::ready(Err({status}::unimplemented(message)))"
        ));
    });
}

fn write_table(service: &Service, options: &Options, imports: &mut Imports, text: &mut Text) {
    let Service {
        name, stem, module, ..
    } = service;
    text.docs([
        format!(" Serves a [`{name}`]:"),
        format!(" `Server::builder().add_service({stem}Server::new(my_{module}))`."),
    ]);
    let server = imports.name("::temaki::server::ServiceServer");
    text.assign(
        &format!("pub type {stem}Server<T>"),
        &format!("{server}<T, {stem}Methods>"),
    );
    text.blank();

    text.docs([format!(
        " The table behind [`{stem}Server`]: which name is which method."
    )]);
    let derive = "Debug, Clone, Copy";
    options.write_derive(derive, &options.server_attributes, service, text);
    text.line(&format!("pub struct {stem}Methods;"));
    text.blank();

    let table = imports.name("::temaki::server::MethodTable");
    let methods = imports.name("::temaki::server::Methods");
    // The type that is served: `T`, where that is not the trait.
    let served = if name == "T" { "U" } else { "T" };
    let head = format!("impl<{served}: {name}> {table}<{served}>");
    text.implement(&head, &format!("for {stem}Methods"), |text| {
        text.line("const SERVICE: &'static str = SERVICE_NAME;");
        text.blank();
        let parameter = if service.methods.is_empty() {
            "_"
        } else {
            "methods"
        };
        text.block(
            &format!("fn register({parameter}: &mut {methods}<{served}>)"),
            |text| {
                for method in &service.methods {
                    write_row(method, served, &options.codec(imports), text);
                }
            },
        );
    });
}

fn write_row(method: &Method, served: &str, codec: &str, text: &mut Text) {
    let shape = match method.shape {
        Shape::Unary => "unary",
        Shape::ClientStreaming => "client_streaming",
        Shape::ServerStreaming => "server_streaming",
        Shape::Bidirectional => "bidi_streaming",
    };
    let arguments = [&format!("\"{}\"", method.proto_name), codec];
    // Named through the type: the handle to the service has methods of its own, such as `clone`.
    text.call_with(
        &format!("methods.{shape}"),
        &arguments,
        "|service, request| async move",
        (
            &format!("{served}::{}", method.name),
            &["&service", "request"],
        ),
    );
}
