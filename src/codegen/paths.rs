//! Writes the paths of a service's methods, once for both sides.
//!
//! ```text
//! pub mod greeter_paths {
//!     pub const SAY_HELLO: &str = "/helloworld.Greeter/SayHello";
//! }
//! ```
//!
//! The client uses these constants, and so do interceptors, metrics and transports that ask which
//! method a call is of. They stand in a module of their own because either side may be left out.

use super::layout::Text;
use super::names::Service;
use super::tidy;

pub(super) fn write(service: &Service, text: &mut Text) {
    let Service {
        module, full_name, ..
    } = service;
    text.docs([format!(" The paths of the methods of `{full_name}`.")]);
    tidy::allow_in_constants(text);
    text.block(&format!("pub mod {module}_paths"), |text| {
        for method in &service.methods {
            let head = format!("pub const {}: &str", method.constant());
            text.assign(&head, &format!("\"{}\"", method.path));
        }
    });
}
