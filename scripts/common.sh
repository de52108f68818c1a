# Sourced by the other scripts: where things are kept, and how a new machine gets what it lacks.
# Everything installed for the project alone goes under .cache/, which git ignores; only Debian's packages go to the system.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache
mkdir -p "$CACHE"

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# need COMMAND PACKAGE…: the command is there, or Debian's packages bring it.
need() {
    command -v "$1" >/dev/null || debian "$@"
}

# need_library NAME PACKAGE…: pkg-config finds the C or C++ library, or Debian's packages bring it.
need_library() {
    local name=$1
    shift
    need pkg-config pkg-config
    pkg-config --exists "$name" || debian "$name" "$@"
}

# debian WHAT PACKAGE…: installs the packages, which bring it.
debian() {
    local what=$1
    shift
    command -v apt-get >/dev/null || die "'$what' is missing and there is no apt-get to install '$*' with"
    if [ ! -e "$CACHE/apt-updated" ] || [ -n "$(find "$CACHE/apt-updated" -mmin +600)" ]; then
        apt-get update -qq || die "'$what' is missing, and apt-get could not update its lists to install '$*' (is this root?)"
        touch "$CACHE/apt-updated"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        die "apt-get could not install '$*', which brings '$what'"
}

# go_tool COMMAND PACKAGE VERSION: prints where the command is, after building it once.
# The version is part of the folder's name, so that a new one in a script is built and not taken for the old.
go_tool() {
    command -v go >/dev/null || die "'go' is missing: it builds $1 from $2@$3"
    local bin=$CACHE/go/$1-$3
    [ -x "$bin/$1" ] || GOBIN=$bin go install "$2@$3" >&2 || die "go could not build $2@$3"
    echo "$bin/$1"
}

# Prints where buf is: it makes Go's stubs and calls services from the command line.
BUF=v1.75.0
buf() { go_tool buf github.com/bufbuild/buf/cmd/buf "$BUF"; }

# The Connect conformance suite's version: its runner and its .proto files must be of one.
CONFORMANCE=v1.0.7

# Prints where the Go module cache keeps the suite's .proto files.
suite_proto() {
    command -v go >/dev/null || die "'go' is missing: it fetches the conformance suite"
    local dir
    dir=$(go mod download -json "connectrpc.com/conformance@$CONFORMANCE" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')/proto
    [ -d "$dir" ] || die "the suite's .proto files are not at '$dir'"
    echo "$dir"
}

# venv NAME REQUIREMENT…: prints the python of a virtual environment that has exactly these installed.
venv() {
    local dir=$CACHE/venv/$1
    shift
    if [ "$(cat "$dir/installed" 2>/dev/null)" != "$*" ]; then
        need python3 python3
        rm -rf "$dir"
        python3 -m venv "$dir" >&2 || {
            rm -rf "$dir"
            debian "python3 -m venv" python3-venv
            python3 -m venv "$dir" >&2 || die "python3 cannot make a virtual environment (Debian's package: python3-venv)"
        }
        "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 || die "pip could not install: $*"
        echo "$*" >"$dir/installed"
    fi
    echo "$dir/bin/python"
}

# wait_line FILE PATTERN PID SECONDS: until a line of FILE matches, the process is gone, or time is up; prints the line.
wait_line() {
    local until=$((SECONDS + $4))
    while ! grep -m1 -E "$2" "$1" 2>/dev/null; do
        kill -0 "$3" 2>/dev/null || { grep -m1 -E "$2" "$1" 2>/dev/null && return; return 1; }
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.1
    done
}
