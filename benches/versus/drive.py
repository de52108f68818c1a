"""Starts the programs of this workspace, plays them against each other, reads their counters.

Everything is on loopback, each server chooses a free port, and every process is ended through the pipe that started it: a server ends when its standard input
does (`gates/src/control.rs`), so not even a killed script leaves one behind.
"""

import os
import re
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RELEASE = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "target")), "release")
# No figure needs so long; a hang must not hold up whoever waits for the script.
PATIENCE = 120


def flags(**named):
    """`text_bytes=16` -> `["--text-bytes", "16"]`"""
    return [word for name, value in named.items() for word in ("--" + name.replace("_", "-"), str(value))]


def counters(line):
    """`allocations=3 cpu_ns=7` -> a dict"""
    found = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
    if not found:
        raise SystemExit(f"no counters in {line!r}")
    return found


class Server:
    """A server of this workspace while a `with` block lasts. `under` is the command that runs it: valgrind, strace, taskset."""

    def __init__(self, program, under=(), **named):
        self.command = [*under, os.path.join(RELEASE, program), *flags(**named)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, _, port = self.process.stdout.readline().partition(" ")
        if word != "listening":
            self.process.kill()
            raise SystemExit(f"{self.command}: did not begin to listen")
        self.port = int(port)
        return self

    def reading(self):
        self.process.stdin.write("counters\n")
        self.process.stdin.flush()
        return counters(self.process.stdout.readline())

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def client(program, server, under=(), **named):
    """Runs a client of this workspace against `server` and gives what it says about itself."""
    command = [*under, os.path.join(RELEASE, program), *flags(port=server.port, **named)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{command}: not done after {PATIENCE} s")
    if done.returncode != 0:
        raise SystemExit(f"{command}: exit status {done.returncode}")
    return counters(done.stdout)


class Callgrind:
    """A valgrind command, and the instructions that it counted."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = os.path.join(self.folder.name, "callgrind.out")
        self.under = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={self.out}"]
        return self

    def instructions(self):
        with open(self.out) as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(("summary:", "totals:")))

    def __exit__(self, *_):
        self.folder.cleanup()


class Strace:
    """A strace command, and the system calls that it counted, of all threads."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = os.path.join(self.folder.name, "strace.out")
        self.under = ["strace", "-f", "-c", "-U", "calls,name", "-o", self.out]
        return self

    def calls(self):
        with open(self.out) as lines:
            return next(int(line.split()[0]) for line in lines if line.strip().endswith("total"))

    def __exit__(self, *_):
        self.folder.cleanup()
