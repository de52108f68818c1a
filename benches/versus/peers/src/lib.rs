//! Other stacks doing the same work, for comparison by hand.
//!
//! They are configured as their own documentation starts them: defaults, no flag that only we would think of. A message limit is lifted where a comparison needs it.

/// tonic's generated code of `gates::echo`'s service.
pub mod tonic_echo {
    tonic::include_proto!("versus.Echo");
}
