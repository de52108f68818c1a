//! A server in a process of its own, whose limits, processor time and memory are nobody else's: this test program,
//! called again through `sh`.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::*;

/// The other process: serves on a free port, which it prints, until it is killed.
#[test]
#[ignore = "it is the server of other tests, and runs for ever"]
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let server = TestServer::start(Server::builder()).await;
        println!("\nserving at {}", server.addr);
        std::future::pending::<()>().await;
    });
}

/// It is killed when the test is over.
pub(crate) struct Process {
    child: Child,
    pub(crate) addr: SocketAddr,
    /// Its output, which has to stay open: libtest ends when it cannot write.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server behind a shell command that sets limits.
pub(crate) fn serve(limits: &str) -> Process {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{limits}; exec \"$0\" child::main --exact --ignored --nocapture"
        ))
        .arg(std::env::current_exe().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let addr = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.strip_prefix("serving at ")?.parse().unwrap()));
    match addr {
        Some(addr) => Process {
            child,
            addr,
            _lines: lines,
        },
        None => panic!("the server did not start: {:?}", child.wait()),
    }
}

impl Process {
    pub(crate) fn target(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// User and system time so far, in ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = after_name.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Bytes of memory that it really has.
    pub(crate) fn resident(&self) -> isize {
        self.status("VmRSS:")
    }

    /// Bytes of memory that it has asked for, whether it has touched them or not.
    pub(crate) fn virtually(&self) -> isize {
        self.status("VmSize:")
    }

    fn status(&self, name: &str) -> isize {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<isize>().unwrap() * KIB
    }
}
