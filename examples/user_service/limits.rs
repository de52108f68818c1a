//! What the service takes. Everything that a client can send has an upper bound here or in the
//! server's own limits.

/// Bytes of a name.
pub const MAX_NAME: usize = 128;

/// Bytes of a `password_hash`: room for any hash in text form (SHA-512 in hex is 128, argon2's own
/// about 100).
pub const MAX_PASSWORD_HASH: usize = 512;

/// Bytes of one message: the fields above, twice over. The default would be 4 MiB.
pub const MAX_MESSAGE: usize = 2 * (MAX_NAME + MAX_PASSWORD_HASH);

/// Rows of an import that are stored in one transaction: a few seconds of hashing, which is what a
/// crash can cost.
pub const IMPORT_BATCH: usize = 100;

/// Rows that one import may have rejected before it ends: the response is one message, and a file
/// with so many bad rows is the wrong file.
pub const MAX_REJECTED: usize = 1000;

/// Users in one page of a listing: what it holds in memory.
pub const PAGE: usize = 256;

/// What is wrong with a name, if anything. Control characters would let a name forge lines in logs
/// and terminals.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("the username is empty".to_owned())
    } else if name.len() > MAX_NAME {
        Err(format!(
            "the username has {} bytes, at most {MAX_NAME} are allowed",
            name.len()
        ))
    } else if name.chars().any(char::is_control) {
        Err("the username contains a control character".to_owned())
    } else {
        Ok(())
    }
}

/// What is wrong with a new user's `password_hash`, if anything.
pub fn check_password_hash(password_hash: &str) -> Result<(), String> {
    if password_hash.is_empty() {
        Err("the password_hash is empty".to_owned())
    } else if password_hash.len() > MAX_PASSWORD_HASH {
        Err(format!(
            "the password_hash has {} bytes, at most {MAX_PASSWORD_HASH} are allowed",
            password_hash.len()
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_hashes() {
        let long = |len: usize| "x".repeat(len);
        // (name, what the problem must contain, why this row)
        for (name, problem, why) in [
            ("", Some("empty"), "the smallest"),
            ("a", None, "one byte"),
            (long(128).as_str(), None, "the longest"),
            (long(129).as_str(), Some("129 bytes"), "one more"),
            (
                "é".repeat(65).as_str(),
                Some("130 bytes"),
                "bytes are counted, not letters",
            ),
            ("al ice", None, "a space is a letter like others"),
            ("Ünïcödé 🍣", None, "any script"),
            ("al\nice", Some("control"), "a forged line"),
            ("al\u{1b}[2Jice", Some("control"), "a forged screen"),
            (
                "al\u{85}ice",
                Some("control"),
                "C1, which some terminals obey",
            ),
        ] {
            let found = check_name(name).err();
            assert_eq!(found.is_some(), problem.is_some(), "{why}");
            assert!(
                found
                    .unwrap_or_default()
                    .contains(problem.unwrap_or_default()),
                "{why}"
            );
        }
        assert!(check_password_hash("").is_err() && check_password_hash(&long(513)).is_err());
        assert!(check_password_hash("x").is_ok() && check_password_hash(&long(512)).is_ok());
    }
}
