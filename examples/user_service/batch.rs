//! One batch of an import: its rows are hashed on every core while they come in, then stored in one
//! transaction.

use std::sync::Arc;

use temaki_protos::user::ImportUser;
use tokio::task::JoinSet;

use crate::blocking::blocking;
use crate::password::{self, Hasher};
use crate::store::{NewUser, Store};

pub struct Batch {
    store: Arc<Store>,
    hasher: Hasher,
    /// Rows that are being hashed. When the batch is dropped (the call was cancelled), those that
    /// still wait for a core are given up.
    hashing: JoinSet<Result<Row, redb::Error>>,
    /// Rows that are ready, in the order in which their hashes were done.
    ready: Vec<Row>,
}

struct Row {
    number: u64,
    /// `None` if the name was found to be taken before a hash was spent on it.
    user: Option<NewUser>,
}

/// What became of the rows of a batch.
pub struct Stored {
    pub imported: u64,
    pub already_there: u64,
}

impl Batch {
    pub fn new(store: Arc<Store>, hasher: Hasher) -> Self {
        Self {
            store,
            hasher,
            hashing: JoinSet::new(),
            ready: Vec::new(),
        }
    }

    /// Rows in it, hashed or not.
    pub fn len(&self) -> usize {
        self.hashing.len() + self.ready.len()
    }

    /// Takes a row in. Waits while each core has one: more of them would stand in the hasher's
    /// line, and a user who logs in behind them would wait for the whole batch.
    pub async fn push(&mut self, number: u64, user: ImportUser) -> Result<(), redb::Error> {
        if self.hashing.len() >= self.hasher.cores() {
            self.wait_for_one().await?;
        }
        let (store, hasher) = (self.store.clone(), self.hasher.clone());
        self.hashing
            .spawn(async move { hasher.run(move || hash(&store, number, user)).await });
        Ok(())
    }

    /// Stores all rows, or none when it fails. The batch is empty afterwards.
    pub async fn store(&mut self) -> Result<Stored, redb::Error> {
        while !self.hashing.is_empty() {
            self.wait_for_one().await?;
        }
        let mut rows = std::mem::take(&mut self.ready);
        // Back to the order of the import: of two rows with one name the first shall win.
        rows.sort_by_key(|row| row.number);
        let count = rows.len() as u64;
        let users: Vec<NewUser> = rows.into_iter().filter_map(|row| row.user).collect();
        let store = self.store.clone();
        let imported = blocking(move || store.add_batch(&users)).await?;
        Ok(Stored {
            imported,
            already_there: count - imported,
        })
    }

    async fn wait_for_one(&mut self) -> Result<(), redb::Error> {
        match self.hashing.join_next().await {
            Some(Ok(row)) => self.ready.push(row?),
            // No code aborts a task of the set, so it panicked, and so shall we.
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => {}
        }
        Ok(())
    }
}

fn hash(store: &Store, number: u64, user: ImportUser) -> Result<Row, redb::Error> {
    // An import that was interrupted and runs again passes quickly over what it had stored. Whether
    // the name is still free is decided by the transaction.
    let taken = store.find(&user.username)?.is_some();
    let user = (!taken).then(|| NewUser {
        verifier: password::hash(&user.password_hash),
        name: user.username,
    });
    Ok(Row { number, user })
}
