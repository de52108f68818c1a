//! What is kept in place of a secret, and how much of the machine that may take.
//!
//! `password_hash` is a secret, whatever the client hashed to make it: who reads it in a stolen
//! file could send it. So it is hashed again, with argon2id and a salt of its own, and only that is
//! kept.
//!
//! argon2 is slow on purpose. With the crate's defaults (m = 19,456 KiB, t = 2, p = 1: one thread and
//! 19 MiB for each hash) a row of an import costs 138 million instructions (callgrind). `--import` of
//! 2,000 rows took 60 s of CPU time, user and system together: 30 ms a row, on a shared virtual
//! machine. As many rows are hashed at once as there are cores, so the clock shows that divided by the
//! cores, if nothing else wants them. Of users who were there already none is hashed, and 2,000 of
//! them took 0.2 s of CPU time.
//!
//! On the threads of the runtime that would stall every other call, and without a bound a burst of
//! logins would fill memory: hence blocking threads, and one hash per core at a time. The others wait
//! in line, first come first served.

use std::num::NonZeroUsize;
use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::blocking::blocking;

/// One permit per core, and the hash that unknown users are measured against.
#[derive(Clone)]
pub struct Hasher {
    cores: usize,
    permits: Arc<Semaphore>,
    decoy: Arc<str>,
}

impl Hasher {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            cores,
            permits: Arc::new(Semaphore::new(cores)),
            // Made like every other verifier, so verifying against it costs the same; of a secret
            // that is not known to anyone.
            decoy: hash(&Uuid::now_v7().to_string()).into(),
        }
    }

    pub fn cores(&self) -> usize {
        self.cores
    }

    /// A verifier for users who do not exist.
    pub fn decoy(&self) -> Arc<str> {
        self.decoy.clone()
    }

    /// Runs `work`, which hashes, on a blocking thread once a core is free.
    ///
    /// Dropping this future while it waits gives up its place in the line. Once the work has begun
    /// it cannot be stopped; the permit therefore belongs to the thread, not to the call: clients
    /// that call and cancel do not get more cores.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let work = move || {
            let _permit = permit;
            work()
        };
        blocking(work).await
    }
}

/// A new verifier for `secret`: salted, so two equal secrets do not show. Blocks for the length of
/// a hash.
pub fn hash(secret: &str) -> String {
    // Fails on secrets over 4 GiB and without a source of random numbers.
    Argon2::default()
        .hash_password(secret.as_bytes())
        .expect("argon2 takes every bounded secret")
        .to_string()
}

/// Whether `secret` is the one that `verifier` was made of. Blocks for the length of a hash;
/// compares in constant time.
pub fn verify(secret: &str, verifier: &str) -> bool {
    PasswordHash::new(verifier).is_ok_and(|verifier| {
        Argon2::default()
            .verify_password(secret.as_bytes(), &verifier)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_secret_only_and_never_contains_it() {
        let verifier = hash("wonderland");
        assert!(
            verifier.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{verifier}"
        );
        assert!(!verifier.contains("wonderland"));
        assert!(verify("wonderland", &verifier));
        // (secret, why this row)
        for (secret, why) in [
            ("", "empty"),
            ("wonderlan", "a prefix"),
            ("wonderland ", "one byte more"),
            ("Wonderland", "case matters"),
            (verifier.as_str(), "a stolen verifier is no secret"),
        ] {
            assert!(!verify(secret, &verifier), "{why}");
        }
        assert_ne!(hash("wonderland"), verifier, "each has its own salt");
        assert!(!verify("wonderland", "not a verifier"));
    }

    /// The time of argon2 depends on the parameters and the output's length, which the PHC string
    /// shows.
    #[test]
    fn the_decoy_costs_what_a_user_costs() {
        let shape = |verifier: &str| {
            let fields: Vec<&str> = verifier.split('$').collect();
            (
                fields[1].to_owned(),
                fields[2].to_owned(),
                fields[3].to_owned(),
                fields[4].len(),
                fields[5].len(),
            )
        };
        assert_eq!(shape(&Hasher::new().decoy()), shape(&hash("wonderland")));
    }

    #[tokio::test]
    async fn one_hash_per_core_and_a_dropped_call_keeps_its_core_until_the_work_is_done() {
        let hasher = Hasher::new();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let work = hasher.run(move || gate.recv().ok());
        // Polled until the work runs, then dropped: the client has gone.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), work).await;
        assert_eq!(hasher.permits.available_permits(), hasher.cores() - 1);
        release.send(()).unwrap();
        // All permits come back only when the work has ended.
        let _all = hasher
            .permits
            .acquire_many(hasher.cores() as u32)
            .await
            .unwrap();
    }
}
