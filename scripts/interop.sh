# Sourced by the scripts that let programs in other languages call temaki (and be called by it): starts servers, runs what calls them,
# counts. Servers end with the script, and nothing is left of their stores.

logs=$(mktemp -d)
servers=()
passed=0 failed=0

stop() {
    [ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$logs"
}
trap stop EXIT

# serve NAME COMMAND…: starts a server and sets $address to what it says it serves at.
serve() {
    local name=$1
    shift
    "$@" >"$logs/$name" 2>&1 &
    servers+=($!)
    address=$(wait_line "$logs/$name" '^(listening|serving .*) on ' $! 60 | sed 's/.* on //') || {
        cat "$logs/$name"
        die "$name did not start"
    }
}

# user_service: starts the user service on a free port, with a new store in which alice is, and sets $address.
user_service() {
    cargo build -q --example user_service
    serve user-service "${CARGO_TARGET_DIR:-target}/debug/examples/user_service" --addr 127.0.0.1:0 --db "$logs/users.redb"
    # It registers alice as its own first client and prints how others call it.
    wait_line "$logs/user-service" '^  buf curl ' "${servers[-1]}" 60 >/dev/null || {
        cat "$logs/user-service"
        die "the user service did not answer its own call"
    }
}

# echo_programs: builds temaki's two ends of proto/echo.proto and sets $programs to where they are.
echo_programs() {
    TEMAKI_CONFORMANCE_PROTO=$(suite_proto)
    export TEMAKI_CONFORMANCE_PROTO
    cargo build -q -p temaki-conformance --bins
    programs=${CARGO_TARGET_DIR:-target}/debug
}

# peer NAME COMMAND…: runs a program that counts its checks in its last line.
peer() {
    local name=$1 status=0 good bad
    shift
    echo "--- $name"
    timeout 300 "$@" 2>&1 | tee "$logs/peer" || status=$?
    read -r good bad < <(tail -n1 "$logs/peer" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p') || { good=0 bad=1; }
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    # A run of no check proves nothing.
    [ "$good" -gt 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + good)) failed=$((failed + bad))
}

# drains: the server that was started last is asked to end, and does so in order after all that the peers did to it.
drains() {
    local status=0
    kill -TERM "${servers[-1]}" 2>/dev/null || true
    wait "${servers[-1]}" || status=$?
    unset 'servers[-1]'
    if [ "$status" -eq 0 ] && grep -q '^drained: ' "$logs/user-service"; then
        passed=$((passed + 1))
        echo "ok    the server drains and ends"
    else
        failed=$((failed + 1))
        echo "FAIL  the server ended with status $status: $(tail -n5 "$logs/user-service")"
    fi
}

# finish: the closing line, and the exit status that goes with it.
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
