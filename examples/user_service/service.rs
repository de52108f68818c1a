//! `UserService` in its four shapes: what each call checks, hashes, stores and returns.
//!
//! Two kinds of work are kept off the threads of the runtime: hashing goes through [`Hasher::run`],
//! what only reads or writes the file through [`blocking`].
//!
//! There is no authorisation: who reaches the port may register, import and list. That belongs into
//! an interceptor before the port faces strangers.

use std::sync::Arc;

use temaki::{Request, Response, ResponseStream, Status, Streaming};
use temaki_protos::user::import_summary::Rejected;
use temaki_protos::user::user_service_server::UserService;
use temaki_protos::user::{
    GetUserRequest, GetUserResponse, ImportSummary, ImportUser, ListUsersRequest,
    RegisterUserRequest, RegisterUserResponse, ResolveUserRequest, ResolveUserResponse, User,
};

use crate::batch::Batch;
use crate::blocking::blocking;
use crate::limits;
use crate::password::{self, Hasher};
use crate::store::{NewUser, Store};

pub struct Users {
    store: Arc<Store>,
    hasher: Hasher,
}

impl Users {
    pub fn new(store: Store) -> Self {
        Self {
            store: Arc::new(store),
            hasher: Hasher::new(),
        }
    }
}

impl UserService for Users {
    /// Unary. A user who does not exist costs a hash too and gets the status of a wrong hash:
    /// neither the clock nor the status shows a stranger which names are taken.
    async fn get_user_uuid(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let GetUserRequest {
            username,
            password_hash,
        } = request.into_inner();
        limits::check_name(&username).map_err(Status::invalid_argument)?;

        let (store, decoy) = (self.store.clone(), self.hasher.decoy());
        let look_up = move || {
            let user = store.find(&username)?;
            let verifier = user.as_ref().map_or(&*decoy, |user| &user.verifier);
            let right = password::verify(&password_hash, verifier);
            Ok(user.filter(|_| right))
        };
        let user = self.hasher.run(look_up).await.map_err(store_failed)?;
        let user = user.ok_or_else(|| {
            Status::unauthenticated("no user has this username and password_hash")
        })?;
        Ok(Response::new(GetUserResponse {
            uuid: user.uuid.to_string(),
        }))
    }

    /// Unary. Hash and write are one piece of work, so no more threads than cores ever wait for the
    /// file.
    async fn register_user(
        &self,
        request: Request<RegisterUserRequest>,
    ) -> Result<Response<RegisterUserResponse>, Status> {
        let RegisterUserRequest {
            username,
            password_hash,
        } = request.into_inner();
        limits::check_name(&username).map_err(Status::invalid_argument)?;
        limits::check_password_hash(&password_hash).map_err(Status::invalid_argument)?;

        let store = self.store.clone();
        let register = move || {
            let verifier = password::hash(&password_hash);
            store.add(&NewUser {
                name: username,
                verifier,
            })
        };
        let uuid = self.hasher.run(register).await.map_err(store_failed)?;
        let uuid = uuid.ok_or_else(|| Status::already_exists("the username is taken"))?;
        Ok(Response::new(RegisterUserResponse {
            uuid: uuid.to_string(),
        }))
    }

    /// Client streaming. While every core hashes, no row is read, and a client whose rows are not
    /// read has to wait: the sender goes at argon2's pace, and no more than a batch is held here.
    ///
    /// If the client goes away in the middle, the batches stored so far stay and the unfinished one
    /// is gone.
    async fn import_users(
        &self,
        request: Request<Streaming<ImportUser>>,
    ) -> Result<Response<ImportSummary>, Status> {
        let mut users = request.into_inner();
        let mut summary = ImportSummary::default();
        let mut batch = Batch::new(self.store.clone(), self.hasher.clone());
        let mut row = 0;
        while let Some(user) = users.message().await? {
            row += 1;
            match check(&user) {
                Ok(()) => batch.push(row, user).await.map_err(store_failed)?,
                Err(reason) => reject(&mut summary, row, reason)?,
            }
            if batch.len() >= limits::IMPORT_BATCH {
                store(&mut batch, &mut summary).await?;
            }
        }
        store(&mut batch, &mut summary).await?;
        Ok(Response::new(summary))
    }

    type ListUsersStream = ResponseStream<User>;

    /// Server streaming. A page is read when the one before has been sent, so a slow reader costs
    /// one page of memory and one snapshot.
    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<Self::ListUsersStream>, Status> {
        let ListUsersRequest { prefix, limit } = request.into_inner();
        let store = self.store.clone();
        let snapshot = Arc::new(
            blocking(move || store.snapshot())
                .await
                .map_err(store_failed)?,
        );
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            let mut left = if limit == 0 { u64::MAX } else { limit };
            let mut last = None;
            while left > 0 {
                let size = left.min(limits::PAGE as u64) as usize;
                let (snapshot, prefix, after) = (snapshot.clone(), prefix.clone(), last.take());
                let page = blocking(move || snapshot.page(&prefix, after.as_deref(), size)).await;
                for (username, uuid) in page.map_err(store_failed)? {
                    left -= 1;
                    last = Some(username.clone());
                    out.send(User {
                        username,
                        uuid: uuid.to_string(),
                    })
                    .await?;
                }
                if last.is_none() {
                    break; // an empty page
                }
            }
            Ok(())
        })))
    }

    type ResolveUsersStream = ResponseStream<ResolveUserResponse>;

    /// Bidirectional. The response to each name is sent before the next one is read: that keeps the order, and
    /// a client that does not read its responses is not read from either.
    async fn resolve_users(
        &self,
        request: Request<Streaming<ResolveUserRequest>>,
    ) -> Result<Response<Self::ResolveUsersStream>, Status> {
        let (store, mut names) = (self.store.clone(), request.into_inner());
        Ok(Response::new(ResponseStream::new(async move |mut out| {
            while let Some(ResolveUserRequest { username }) = names.message().await? {
                let (store, name) = (store.clone(), username.clone());
                let user = blocking(move || store.find(&name))
                    .await
                    .map_err(store_failed)?;
                let uuid = user.map(|user| user.uuid.to_string()).unwrap_or_default();
                out.send(ResolveUserResponse { username, uuid }).await?;
            }
            Ok(())
        })))
    }
}

fn check(user: &ImportUser) -> Result<(), String> {
    limits::check_name(&user.username)?;
    limits::check_password_hash(&user.password_hash)
}

/// Notes a bad row. Its neighbours go on; only a file full of them is given up.
fn reject(summary: &mut ImportSummary, row: u64, reason: String) -> Result<(), Status> {
    if summary.rejected.len() >= limits::MAX_REJECTED {
        return Err(Status::invalid_argument(format!(
            "row {row}: {reason}; that makes more than {} bad rows, so the import ends here ({} users were imported)",
            limits::MAX_REJECTED,
            summary.imported,
        )));
    }
    summary.rejected.push(Rejected { row, reason });
    Ok(())
}

async fn store(batch: &mut Batch, summary: &mut ImportSummary) -> Result<(), Status> {
    let stored = batch.store().await.map_err(store_failed)?;
    summary.imported += stored.imported;
    summary.already_there += stored.already_there;
    Ok(())
}

/// The client learns that it was not its fault; paths and page numbers are for the operator.
fn store_failed(error: redb::Error) -> Status {
    eprintln!("user_service: the store failed: {error}");
    Status::internal("the user store failed")
}
