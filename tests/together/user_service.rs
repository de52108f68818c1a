//! `examples/user_service` and `examples/user_client` as programs: what they print, what they
//! answer over TCP, how they end, and what is left after `kill -9`.
//!
//! What is inside them (store, flags, CSV, hashing) is tested where it stands, by the example's own
//! unit tests.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use temaki::{Code, Status};
use temaki_protos::user::user_service_client::UserServiceClient;
use temaki_protos::user::{
    GetUserRequest, ImportUser, ListUsersRequest, RegisterUserRequest, ResolveUserRequest,
    ResolveUserResponse,
};

/// An example's program, built if it is not there or not up to date: `cargo test` builds an example that
/// has tests of its own as a test, and not as the program.
fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    let exe = std::env::current_exe().unwrap();
    let profile = exe.parent().and_then(Path::parent).unwrap().to_owned();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--example",
            "user_service",
            "--example",
            "user_client",
        ]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(profile.parent().unwrap());
        assert!(
            build.status().unwrap().success(),
            "the examples do not build"
        );
    });
    profile.join("examples").join(name)
}

/// A directory of its own for each test, removed at the end.
struct TempDir(PathBuf);

impl TempDir {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("temaki-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn db(&self) -> PathBuf {
        self.0.join("users.redb")
    }

    fn csv(&self, rows: impl IntoIterator<Item = String>) -> PathBuf {
        let path = self.0.join("users.csv");
        std::fs::write(
            &path,
            rows.into_iter().map(|row| row + "\n").collect::<String>(),
        )
        .unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running user service; killed when dropped.
struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    addr: SocketAddr,
}

impl Service {
    fn start(db: &Path) -> Self {
        Self::start_with(db, &[])
    }

    fn start_with(db: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(program("user_service"))
            .args(["--addr", "127.0.0.1:0", "--db"])
            .arg(db)
            .args(flags)
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut service = Self {
            child,
            lines,
            addr: ([127, 0, 0, 1], 0).into(),
        };
        service.addr = service
            .line_with(" on 127.")
            .rsplit(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        service.line_with("GetUserUUID says");
        service
    }

    /// The next line that contains `text`.
    fn line_with(&mut self, text: &str) -> String {
        self.lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no {text:?}"))
    }

    async fn client(&self) -> UserServiceClient {
        UserServiceClient::connect(format!("http://{}", self.addr))
            .await
            .unwrap()
    }

    fn signal(&self, name: &str) {
        assert!(
            // The shell's own: a small system has no program of that name.
            Command::new("sh")
                .args(["-c", &format!("kill -s {name} {}", self.child.id())])
                .status()
                .unwrap()
                .success()
        );
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(name: &str, args: &[&str]) -> Output {
    Command::new(program(name))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn credentials(username: &str, password_hash: &str) -> GetUserRequest {
    GetUserRequest {
        username: username.into(),
        password_hash: password_hash.into(),
    }
}

fn row(username: &str) -> ImportUser {
    ImportUser {
        username: username.into(),
        password_hash: format!("hash of {username}"),
    }
}

#[test]
fn once_calls_prints_and_ends_with_0_and_the_uuid_stays() {
    let dir = TempDir::new("once");
    let db = dir.db();
    let once = || {
        run(
            "user_service",
            &[
                "--once",
                "--addr",
                "127.0.0.1:0",
                "--db",
                db.to_str().unwrap(),
            ],
        )
    };
    let uuid = |output: &Output| {
        let line = stdout(output)
            .lines()
            .find(|line| line.contains("GetUserUUID says"))
            .expect("a UUID")
            .to_owned();
        line.rsplit(' ')
            .next()
            .unwrap()
            .parse::<uuid::Uuid>()
            .unwrap()
    };
    let first = once();
    assert_eq!((first.status.code(), stderr(&first)), (Some(0), ""));
    assert!(stdout(&first).contains("registered alice"));
    assert!(
        stdout(&first).contains("grpcurl ") && stdout(&first).contains("python3 "),
        "{}",
        stdout(&first)
    );
    assert_eq!(uuid(&first).get_version_num(), 7);

    let second = once();
    assert_eq!(second.status.code(), Some(0));
    assert!(!stdout(&second).contains("registered"));
    assert_eq!(uuid(&first), uuid(&second));
}

#[test]
fn what_cannot_be_done_gets_one_sentence_and_an_exit_status() {
    let dir = TempDir::new("sentences");
    let db = dir.db().to_str().unwrap().to_owned();
    let folder = dir.0.to_str().unwrap().to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // (program, arguments, exit status, what the sentence must contain, why this row)
    let rows: [(&str, &[&str], i32, &str, &str); 14] = [
        (
            "user_client",
            &["--addr"],
            2,
            "--addr needs a value",
            "a client's flag without its value",
        ),
        (
            "user_service",
            &["--port", "1"],
            2,
            "--port",
            "no such flag",
        ),
        (
            "user_service",
            &["--addr", "nowhere"],
            2,
            "127.0.0.1:50051",
            "not an address",
        ),
        (
            "user_service",
            &["--db"],
            2,
            "--db needs a value",
            "a flag without its value",
        ),
        (
            "user_service",
            &["--addr", &taken, "--db", &db],
            1,
            "in use",
            "somebody listens there",
        ),
        (
            "user_service",
            &["--addr", "192.0.2.1:1", "--db", &db],
            1,
            "cannot listen on 192.0.2.1:1",
            "not our address",
        ),
        (
            "user_service",
            &["--addr", "127.0.0.1:0", "--db", &folder],
            1,
            "cannot open the store",
            "a directory",
        ),
        (
            "user_service",
            &["--addr", "127.0.0.1:0", "--db", &db, "--import", "/no/file"],
            1,
            "/no/file",
            "no file",
        ),
        ("user_client", &[], 2, "--help", "no command"),
        (
            "user_client",
            &["frobnicate"],
            2,
            "frobnicate",
            "no such command",
        ),
        (
            "user_client",
            &["get", "alice"],
            2,
            "get",
            "an argument is missing",
        ),
        (
            "user_client",
            &["--verbose", "list"],
            2,
            "--verbose",
            "no such flag",
        ),
        (
            "user_client",
            &["--addr", "127.0.0.1:1", "list"],
            1,
            "127.0.0.1:1",
            "nobody listens there",
        ),
        (
            "user_client",
            &["--addr", "nonsense", "list"],
            2,
            "\"nonsense\" has no port",
            "no port of a guess's",
        ),
    ];
    for (name, args, code, contains, why) in rows {
        let output = run(name, args);
        let sentence = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{why}: {sentence}");
        assert!(
            sentence.starts_with(&format!("{name}: ")) && sentence.contains(contains),
            "{why}: {sentence}"
        );
        assert_eq!(sentence.matches('\n').count(), 1, "{why}: {sentence}");
        assert!(sentence.matches("cannot").count() <= 1, "{why}: {sentence}");
    }
    for name in ["user_service", "user_client"] {
        let help = run(name, &["--help"]);
        assert_eq!((help.status.code(), stderr(&help)), (Some(0), ""));
        assert!(stdout(&help).contains("Usage: "));
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_hash_look_the_same() {
    let dir = TempDir::new("same");
    let service = Service::start(&dir.db());
    let client = service.client().await;
    assert!(
        client
            .get_user_uuid(credentials("alice", "wonderland"))
            .await
            .is_ok()
    );

    // All that a stranger could tell two answers apart by, the clock excepted: for that one, see
    // the decoy in `password`.
    let look = |status: Status| {
        let names: Vec<String> = status
            .metadata()
            .keys()
            .map(|key| format!("{key:?}"))
            .collect();
        (
            status.code(),
            status.message().to_owned(),
            status.details().to_vec(),
            names,
        )
    };
    let wrong = look(
        client
            .get_user_uuid(credentials("alice", "Wonderland"))
            .await
            .unwrap_err(),
    );
    assert_eq!(wrong.0, Code::Unauthenticated);
    // (username, password_hash, why this row)
    for (username, password_hash, why) in [
        ("bob", "wonderland", "unknown"),
        ("alice", "", "an empty hash is a wrong one"),
        ("bob", "", "also of somebody unknown"),
        ("ALICE", "wonderland", "another name"),
    ] {
        assert_eq!(
            look(
                client
                    .get_user_uuid(credentials(username, password_hash))
                    .await
                    .unwrap_err()
            ),
            wrong,
            "{why}"
        );
    }

    // (username, code, why this row)
    for (username, code, why) in [
        ("".to_owned(), Code::InvalidArgument, "empty"),
        ("x".repeat(129), Code::InvalidArgument, "too long"),
        ("a\nb".to_owned(), Code::InvalidArgument, "a line feed"),
        (
            "x".repeat(4096),
            Code::ResourceExhausted,
            "a longer message than any good one",
        ),
    ] {
        assert_eq!(
            client
                .get_user_uuid(credentials(&username, "x"))
                .await
                .unwrap_err()
                .code(),
            code,
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_name_is_registered_once() {
    let dir = TempDir::new("register");
    let service = Service::start(&dir.db());
    let client = service.client().await;
    let register = |username: &str, password_hash: &str| {
        client.register_user(RegisterUserRequest {
            username: username.into(),
            password_hash: password_hash.into(),
        })
    };
    let uuid = register("bob", "b").await.unwrap().into_inner().uuid;
    assert_eq!(
        register("bob", "another").await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(
        client
            .get_user_uuid(credentials("bob", "b"))
            .await
            .unwrap()
            .into_inner()
            .uuid,
        uuid
    );
    assert_eq!(
        client
            .get_user_uuid(credentials("bob", "another"))
            .await
            .unwrap_err()
            .code(),
        Code::Unauthenticated
    );
    assert_eq!(
        register("", "x").await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        register("carol", "").await.unwrap_err().code(),
        Code::InvalidArgument
    );

    // Ten at once for one name: one gets it.
    let all: Vec<_> = (0..10)
        .map(|i| {
            let client = client.clone();
            tokio::spawn(async move {
                let password_hash = i.to_string();
                client
                    .register_user(RegisterUserRequest {
                        username: "dora".into(),
                        password_hash,
                    })
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut winners = 0;
    for one in all {
        winners += u32::from(one.await.unwrap());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn import_list_and_resolve() {
    let dir = TempDir::new("shapes");
    let service = Service::start(&dir.db());
    let client = service.client().await;

    // More rows than a batch and, with alice, than a page; three of them bad, two that are there.
    let mut call = client.start_import_users();
    for i in 0..260 {
        let user = match i {
            6 => ImportUser::default(),
            7 => ImportUser {
                username: "no hash".into(),
                ..Default::default()
            },
            150 => row("tab\t"),
            200 => row("alice"),
            201 => row("user000"),
            _ => row(&format!("user{i:03}")),
        };
        call.send(user).await.unwrap();
    }
    call.half_close().await.unwrap();
    let summary = call.message().await.unwrap().unwrap();
    assert_eq!((summary.imported, summary.already_there), (255, 2));
    let rejected: Vec<(u64, &str)> = summary
        .rejected
        .iter()
        .map(|row| (row.row, row.reason.as_str()))
        .collect();
    assert_eq!(
        rejected,
        [
            (7, "the username is empty"),
            (8, "the password_hash is empty"),
            (151, "the username contains a control character"),
        ]
    );
    assert!(
        client
            .get_user_uuid(credentials("user259", "hash of user259"))
            .await
            .is_ok()
    );
    assert!(
        client
            .get_user_uuid(credentials("alice", "wonderland"))
            .await
            .is_ok(),
        "an import changes nobody"
    );

    let list = async |prefix: &str, limit: u64| {
        let request = ListUsersRequest {
            prefix: prefix.into(),
            limit,
        };
        let (mut users, mut all) = (
            client.list_users(request).await.unwrap().into_inner(),
            Vec::new(),
        );
        while let Some(user) = users.message().await.unwrap() {
            all.push((user.username, user.uuid));
        }
        all
    };
    let all = list("", 0).await;
    assert_eq!(all.len(), 256);
    assert!(all.is_sorted() && all[0].0 == "alice");
    assert_eq!(list("", 1).await, all[..1]);
    assert_eq!(list("", u64::MAX).await, all);
    assert_eq!(list("user02", 0).await.len(), 10);
    assert_eq!(list("user02", 3).await, all[1 + 18..][..3]);
    assert_eq!(list("nobody", 0).await, []);

    // A conversation: each answer comes before the next question is asked.
    let mut call = client.start_resolve_users();
    for (name, uuid) in [
        &all[9],
        &all[3],
        &("nobody".to_owned(), String::new()),
        &all[3],
    ] {
        call.send(ResolveUserRequest {
            username: name.clone(),
        })
        .await
        .unwrap();
        let answer = call.message().await.unwrap().unwrap();
        assert_eq!(
            answer,
            ResolveUserResponse {
                username: name.clone(),
                uuid: uuid.clone()
            }
        );
    }
    call.half_close().await.unwrap();
    assert_eq!(call.message().await.unwrap(), None);
}

/// Puts users into a store that nobody has open. The service would hash each; nobody here logs in.
fn seed(db: &Path, names: &[String]) {
    const USERS: redb::TableDefinition<&str, (uuid::Uuid, &str)> =
        redb::TableDefinition::new("users");
    let transaction = redb::Database::create(db).unwrap().begin_write().unwrap();
    let mut table = transaction.open_table(USERS).unwrap();
    for name in names {
        table
            .insert(name.as_str(), (uuid::Uuid::now_v7(), ""))
            .unwrap();
    }
    drop(table);
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_listing_shows_the_moment_at_which_it_began() {
    let dir = TempDir::new("snapshot");
    // Names so long and so many that the reader's window (64 KiB) and what the server holds for the
    // stream are full after a few of the pages.
    let name = |i: usize| format!("{i:04}-{}", "x".repeat(115));
    let mut old: Vec<String> = (0..2000).map(name).collect();
    seed(&dir.db(), &old);
    let service = Service::start(&dir.db());
    old.push("alice".to_owned()); // by the service itself

    let endpoint = temaki::Endpoint::new(format!("http://{}", service.addr)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(64 * 1024);
    let client = UserServiceClient::new(endpoint.connect().await.unwrap());
    let everybody = ListUsersRequest::default();
    let mut users = client
        .list_users(everybody.clone())
        .await
        .unwrap()
        .into_inner();
    let mut seen = Vec::new();
    while seen.len() < 256 {
        seen.push(users.message().await.unwrap().unwrap().username);
    }

    // Among those that were read, all over those to come, and behind the last.
    let mut call = client.start_import_users();
    for i in (0..2000).step_by(100) {
        call.send(row(&(name(i) + "-new"))).await.unwrap();
    }
    call.half_close().await.unwrap();
    assert_eq!(call.message().await.unwrap().unwrap().imported, 20);
    let zoe = RegisterUserRequest {
        username: "zoe".into(),
        password_hash: "z".into(),
    };
    client.register_user(zoe).await.unwrap();

    while let Some(user) = users.message().await.unwrap() {
        seen.push(user.username);
    }
    assert!(
        seen == old,
        "{} users in place of {}",
        seen.len(),
        old.len()
    );

    let mut users = client.list_users(everybody).await.unwrap().into_inner();
    let mut count = 0;
    while users.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, old.len() + 21, "the next listing has them all");
}

#[tokio::test]
async fn an_import_full_of_bad_rows_ends_early() {
    let dir = TempDir::new("bad");
    let service = Service::start(&dir.db());
    let mut call = service.client().await.start_import_users();
    for _ in 0..1001 {
        // The last ones may meet the end of the call.
        if call.send(ImportUser::default()).await.is_err() {
            break;
        }
    }
    let status = call.message().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status
            .message()
            .starts_with("row 1001: the username is empty; "),
        "{status:?}"
    );
}

#[tokio::test]
async fn sigterm_lets_the_calls_under_way_finish() {
    let dir = TempDir::new("drain");
    let mut service = Service::start(&dir.db());
    let client = service.client().await;
    let mut call = client.start_import_users();
    call.send(row("before")).await.unwrap();
    // An answer on another stream of the connection: by now the server has seen the import begin.
    client
        .get_user_uuid(credentials("alice", "wonderland"))
        .await
        .unwrap();

    service.signal("TERM");
    service.line_with("SIGTERM");
    // One request to end may be two signals: to the process and to its group.
    service.signal("TERM");
    call.send(row("after")).await.unwrap();
    call.half_close().await.unwrap();
    assert_eq!(call.message().await.unwrap().unwrap().imported, 2);
    service.line_with("drained");
    assert_eq!(service.wait().code(), Some(0));
}

#[tokio::test]
async fn ctrl_c_in_an_import_says_how_many_users_are_stored() {
    let dir = TempDir::new("cut-short");
    let csv = dir.csv((0..9_000).map(|i| format!("user{i:04},hash of {i}")));
    let mut service = Service::start_with(&dir.db(), &["--import", csv.to_str().unwrap()]);
    while imported(&service).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.signal("INT");
    service.line_with("drained");
    let mut said = String::new();
    let mut errors = service.child.stderr.take().unwrap();
    std::io::Read::read_to_string(&mut errors, &mut said).unwrap();
    assert!(said.contains("the import was cut short: "), "{said}");
    assert!(said.contains("imported, 0 were there already"), "{said}");
    assert_eq!(service.wait().code(), Some(1));
}

#[test]
fn a_file_that_cannot_be_read_is_reported_before_the_server_listens() {
    let dir = TempDir::new("no-file");
    let db = dir.db();
    let output = run(
        "user_service",
        &[
            "--addr",
            "127.0.0.1:0",
            "--db",
            db.to_str().unwrap(),
            "--import",
            "nope.csv",
        ],
    );
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains("cannot read nope.csv"));
}

#[test]
fn ctrl_c_ends_it_with_0() {
    let dir = TempDir::new("ctrlc");
    let mut service = Service::start(&dir.db());
    service.signal("INT");
    service.line_with("Ctrl-C");
    service.line_with("drained");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn the_client_makes_each_call() {
    let dir = TempDir::new("client");
    let service = Service::start(&dir.db());
    let addr = service.addr.to_string();
    let client = |args: &[&str]| run("user_client", &[&["--addr", &addr], args].concat());
    let good = |args: &[&str]| {
        let output = client(args);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), ""),
            "{args:?}"
        );
        stdout(&output).to_owned()
    };
    let bob = good(&["register", "bob", "b"]);
    assert_eq!(good(&["get", "bob", "b"]), bob);
    assert_eq!(good(&["list", "b"]), format!("{} bob\n", bob.trim()));
    assert_eq!(good(&["resolve", "bob"]), format!("{} bob\n", bob.trim()));

    // (arguments, what standard error says, why this row)
    for (args, says, why) in [
        (
            &["register", "bob", "b"][..],
            "user_client: ALREADY_EXISTS: the username is taken\n",
            "twice",
        ),
        (
            &["get", "", "b"],
            "user_client: INVALID_ARGUMENT: the username is empty\n",
            "a status is a sentence",
        ),
        (
            &["resolve", "x", "bob", "y", "z"],
            "user_client: 3 names are not known\n",
            "scripts want to know",
        ),
    ] {
        let output = client(args);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(1), says),
            "{why}"
        );
    }

    let csv = dir.csv(
        [
            "username,password_hash",
            "carol,c",
            "nonsense",
            ",d",
            "bob,x",
        ]
        .map(String::from),
    );
    let import = client(&["import", csv.to_str().unwrap()]);
    assert_eq!(import.status.code(), Some(1));
    assert_eq!(
        stdout(&import),
        "1 user imported, 1 was there already, 2 lines rejected\n"
    );
    // No progress line: this is not a terminal.
    assert_eq!(
        stderr(&import),
        "line 3: expected username,password_hash\nline 4: the username is empty\nuser_client: 2 lines were rejected\n"
    );
}

/// Rows of the file whose users are in the store; they must be the file's first.
async fn imported(service: &Service) -> usize {
    let client = service.client().await;
    let request = ListUsersRequest {
        prefix: "user".into(),
        limit: 0,
    };
    let (mut users, mut count) = (client.list_users(request).await.unwrap().into_inner(), 0);
    while let Some(user) = users.message().await.unwrap() {
        assert_eq!(user.username, format!("user{count:04}"), "a gap");
        count += 1;
    }
    count
}

#[tokio::test]
async fn kill_9_in_the_middle_of_an_import_leaves_whole_batches_and_the_import_runs_again() {
    const BATCH: usize = 100;
    // Enough that no machine has stored them all before it is looked at.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = BATCH * (2 + cores) + 50;
    let dir = TempDir::new("kill9");
    let csv = dir.csv((0..rows).map(|i| format!("user{i:04},hash of {i}")));
    let import = |service: &Service| {
        let mut command = Command::new(program("user_client"));
        command
            .args(["--addr", &service.addr.to_string(), "import"])
            .arg(&csv);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };

    let mut service = Service::start(&dir.db());
    let interrupted = import(&service);
    let mut before = 0;
    while before < BATCH {
        tokio::time::sleep(Duration::from_millis(20)).await;
        before = imported(&service).await;
    }
    service.child.kill().unwrap(); // SIGKILL
    service.child.wait().unwrap();
    let interrupted = interrupted.wait_with_output().unwrap();
    assert_eq!(interrupted.status.code(), Some(1));
    assert!(
        stderr(&interrupted).contains("UNAVAILABLE"),
        "{}",
        stderr(&interrupted)
    );

    let service = Service::start(&dir.db());
    let after = imported(&service).await;
    assert!(
        after >= before && after < rows && after % BATCH == 0,
        "{before} before, {after} after"
    );
    let again = import(&service).wait_with_output().unwrap();
    assert_eq!(
        (again.status.code(), stdout(&again)),
        (
            Some(0),
            format!(
                "{} users imported, {after} were there already, 0 lines rejected\n",
                rows - after
            )
            .as_str()
        )
    );
    assert_eq!(imported(&service).await, rows);
    let client = service.client().await;
    for i in [0, 99, 100, rows - 1] {
        let user = credentials(&format!("user{i:04}"), &format!("hash of {i}"));
        assert!(
            client.get_user_uuid(user).await.is_ok(),
            "user {i} can log in"
        );
    }
}
