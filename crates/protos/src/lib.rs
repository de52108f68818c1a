//! Generated code of the project's own services.
