//! The users, in one redb file: a name leads to a UUID and to the argon2 hash of the secret it came
//! with.
//!
//! A write is one transaction: it is in the file, whole, when the call returns, or it never
//! happened. `kill -9` and a power cut fall on one side or the other.
//!
//! Refuses to know: gRPC, tokio, argon2. Each function blocks (a commit waits for the disk), so
//! async code calls them on a blocking thread.

use std::fs::OpenOptions;
use std::ops::Bound;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, WriteTransaction,
};
use uuid::Uuid;

/// `username -> (uuid, verifier)`, sorted by name: a page of [`Snapshot::page`] is one range of the
/// B-tree.
const USERS: TableDefinition<&str, (Uuid, &str)> = TableDefinition::new("users");

/// What redb may keep in memory. Its own default is 1 GiB, much for an example beside other
/// programs.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The file, open and locked: a second process that opens it is refused.
pub struct Store {
    db: Database,
}

/// A user as kept.
pub struct User {
    pub uuid: Uuid,
    /// An argon2 hash in PHC form (`$argon2id$v=19$...`), salt and cost included. Never what the
    /// client sent.
    pub verifier: String,
}

/// A user to be kept. The UUID is given out inside the transaction: see [`insert_if_absent`].
pub struct NewUser {
    pub name: String,
    pub verifier: String,
}

impl Store {
    /// Opens the store, making the file if there is none. The error is a sentence for people.
    pub fn open(path: &Path) -> Result<Self, String> {
        let opened = open_file(path).and_then(|db| {
            // Reading a table that was never written to is an error in redb: make it once, here.
            let transaction = db.begin_write()?;
            transaction.open_table(USERS)?;
            transaction.commit()?;
            Ok(Self { db })
        });
        opened.map_err(|error| {
            let file = path.display();
            match error {
                redb::Error::DatabaseAlreadyOpen => {
                    format!("cannot open the store {file}: another process has it open; stop that one or choose another file with --db")
                }
                error => format!("cannot open the store {file}: {error}"),
            }
        })
    }

    pub fn find(&self, name: &str) -> Result<Option<User>, redb::Error> {
        let table = self.db.begin_read()?.open_table(USERS)?;
        Ok(table.get(name)?.map(|row| {
            let (uuid, verifier) = row.value();
            User {
                uuid,
                verifier: verifier.to_owned(),
            }
        }))
    }

    /// Adds one user and gives the new UUID, or `None` if the name is taken. The user who has the name
    /// keeps UUID and hash.
    pub fn add(&self, user: &NewUser) -> Result<Option<Uuid>, redb::Error> {
        let transaction = self.db.begin_write()?;
        let uuid = insert_if_absent(&transaction, user)?;
        transaction.commit()?;
        Ok(uuid)
    }

    /// Adds all of `batch` in one transaction, leaving names that are taken as they are (so that an
    /// import that was interrupted can be run again). Gives the number of new users.
    pub fn add_batch(&self, batch: &[NewUser]) -> Result<u64, redb::Error> {
        let transaction = self.db.begin_write()?;
        let mut added = 0;
        for user in batch {
            // An error leaves before `commit`, and a transaction that is dropped never happened.
            added += u64::from(insert_if_absent(&transaction, user)?.is_some());
        }
        transaction.commit()?;
        Ok(added)
    }

    /// All users as of now. Later writes go on beside it and do not show in it.
    pub fn snapshot(&self) -> Result<Snapshot, redb::Error> {
        Ok(Snapshot {
            table: self.db.begin_read()?.open_table(USERS)?,
        })
    }
}

/// The table at one moment. While this lives, redb cannot reuse the pages that it shows: do not
/// keep one for longer than a call.
pub struct Snapshot {
    table: ReadOnlyTable<&'static str, (Uuid, &'static str)>,
}

impl Snapshot {
    /// At most `limit` users whose names begin with `prefix`, in the order of their names
    /// (bytewise), from the first name after `after`. An empty page is the end.
    pub fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Uuid)>, redb::Error> {
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut page = Vec::new();
        for row in self
            .table
            .range::<&str>((from, Bound::Unbounded))?
            .take(limit)
        {
            let (name, value) = row?;
            if !name.value().starts_with(prefix) {
                break; // sorted: nothing behind it begins so
            }
            page.push((name.value().to_owned(), value.value().0));
        }
        Ok(page)
    }
}

fn open_file(path: &Path) -> Result<Database, redb::Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // The default place is a directory that everybody can read, and hashes are worth guessing at.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options
        .open(path)
        .map_err(|error| DatabaseError::Storage(StorageError::Io(error)))?;
    // Reads the whole file once. Otherwise redb trusts a file that was closed in order, and panics
    // if it was damaged since.
    let mut builder = Database::builder();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    Ok(builder.create_with_backend(FileBackend::new(file)?)?)
}

/// The UUID is made under the write lock, so that UUIDs (v7: time first) sort as the commits do.
fn insert_if_absent(
    transaction: &WriteTransaction,
    user: &NewUser,
) -> Result<Option<Uuid>, redb::Error> {
    let mut table = transaction.open_table(USERS)?;
    if table.get(user.name.as_str())?.is_some() {
        return Ok(None);
    }
    let uuid = Uuid::now_v7();
    table.insert(user.name.as_str(), (uuid, user.verifier.as_str()))?;
    Ok(Some(uuid))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
