"""The gates: what one unary RPC, a message of a stream and an echo of 1 MiB may cost. Run it as `scripts/gates`.

Instructions and system calls are counted over two runs that differ in the number of calls alone, so that start-up, connecting and the first use of every buffer
cancel out. What is gated is counted, never timed: a busy machine changes nothing about it, or little.
"""

import statistics
import sys

from drive import Callgrind, Server, Strace, client

# (instructions of temaki's server) / (those of the floor), at most; DESIGN.md says where they go.
SERVER_OVER_FLOOR = 1.15
CLIENT_INSTRUCTIONS = 26_000
ALLOCATIONS = 12
SYSTEM_CALLS = 0.15

# One message of 16 bytes of a stream: the server sends it, the client reads it.
STREAM_OUT_INSTRUCTIONS = 780
STREAM_IN_INSTRUCTIONS = 720
# An echo of 1 MiB, one call at a time, at the server: memory is kept from call to call, so nearly none is asked for.
BULK_INSTRUCTIONS = 4_600_000
BULK_FAULTS = 20
BULK_BYTES = 1_150_000

# In flight on one connection: a busy server, and one with nothing else to do, where nothing can be shared between calls.
MANY, ONE = 64, 1
# A client's own figure; 50 is what the published one was taken with.
CLIENT_MANY = 50
TEXTS = (16, 1024)


MIB = 1 << 20
MESSAGES = 1_000


def slope(measure, few, many):
    """What one call adds."""
    return (measure(many) - measure(few)) / (many - few)


def server_instructions(program, in_flight, server_flags=None, **load):
    def run(calls):
        with Callgrind() as callgrind:
            with Server(program, callgrind.under, runtime="ct", **slowed(program), **(server_flags or {})) as server:
                client("load", server, in_flight=in_flight, calls=calls, **load)
            return callgrind.instructions()

    return slope(run, 1_000, 5_000)


def server_allocations(program):
    with Server(program, runtime="ct", count_allocations=1) as server:
        calls = 50_000
        client("load", server, in_flight=MANY, calls=1_000)
        before = server.reading()
        client("load", server, in_flight=MANY, calls=calls)
        return (server.reading()["allocations"] - before["allocations"]) / calls


def server_system_calls(program, text):
    def run(calls):
        with Strace() as strace:
            with Server(program, strace.under, runtime="mt", **told, **slowed(program)) as server:
                client("load", server, in_flight=MANY, calls=calls, text_bytes=text)
            return strace.calls()

    # The floor answers fixed bytes, everyone else with what was sent.
    told = {"text_bytes": text} if program == "floor_server" else {}
    # Two threads and their futexes: the only figure here that moves from run to run.
    return statistics.median(slope(run, 4_000, 40_000) for _ in range(3))


def client_instructions(program, floor, in_flight):
    def run(calls):
        with Callgrind() as callgrind:
            client(program, floor, callgrind.under, in_flight=in_flight, calls=calls, **on(program, "ct"))
            return callgrind.instructions()

    return slope(run, 1_000, 5_000)


def client_allocations(program, floor):
    counted = client(program, floor, in_flight=CLIENT_MANY, warm_up=1_000, calls=50_000, count_allocations=1, **on(program, "ct"))
    return counted["allocations"] / counted["calls"]


def client_system_calls(program, floor, text):
    def run(calls):
        with Strace() as strace:
            client(program, floor, strace.under, in_flight=MANY, calls=calls, text_bytes=text, **on(program, "mt"))
            return strace.calls()

    return statistics.median(slope(run, 4_000, 40_000) for _ in range(3))


def measure_streams():
    """What one message of a stream costs: at the server that sends it, at the client that reads it."""

    def sending(calls):
        with Callgrind() as callgrind:
            with Server("temaki_server", callgrind.under, runtime="ct", slowed=1) as server:
                client("load", server, method="repeat", times=MESSAGES, calls=calls)
            return callgrind.instructions()

    def reading(calls):
        with Callgrind() as callgrind:
            client("temaki_client", floor, callgrind.under, method="repeat", times=MESSAGES, calls=calls, runtime="ct")
            return callgrind.instructions()

    with Server("floor_server", times=MESSAGES, runtime="ct") as floor:
        return slope(sending, 5, 25) / MESSAGES, slope(reading, 5, 25) / MESSAGES


def measure_bulk():
    """What an echo of 1 MiB costs the server: instructions, page faults, bytes allocated."""

    def echoing(calls):
        with Callgrind() as callgrind:
            with Server("temaki_server", callgrind.under, runtime="ct", slowed=1) as server:
                client("load", server, method="carry", text_bytes=MIB, calls=calls)
            return callgrind.instructions()

    with Server("temaki_server", runtime="ct", count_allocations=1) as server:
        calls = 200
        client("load", server, method="carry", text_bytes=MIB, calls=20)
        before = server.reading()
        client("load", server, method="carry", text_bytes=MIB, calls=calls)
        after = server.reading()
    return slope(echoing, 10, 30), *((after[name] - before[name]) / calls for name in ("faults", "bytes"))


def on(program, runtime):
    """`load` has one runtime and no flag for it."""
    return {} if program == "load" else {"runtime": runtime}


def slowed(program):
    """temaki's server looks at the clock; a tool that slows it down must not change what it does."""
    return {"slowed": 1} if program == "temaki_server" else {}


def measure_server(program):
    return {
        "instructions": {in_flight: server_instructions(program, in_flight) for in_flight in (MANY, ONE)},
        "allocations": server_allocations(program),
        "system calls": {text: server_system_calls(program, text) for text in TEXTS},
    }


def measure_client(program):
    def floor(text=16, runtime="ct"):
        return Server("floor_server", text_bytes=text, runtime=runtime)

    figures = {"system calls": {}}
    with floor() as server:
        figures["instructions"] = {in_flight: client_instructions(program, server, in_flight) for in_flight in (CLIENT_MANY, ONE)}
        figures["allocations"] = client_allocations(program, server)
    for text in TEXTS:
        with floor(text) as server:
            figures["system calls"][text] = client_system_calls(program, server, text)
    return figures


def row(name, many, figures):
    cells = [name, *(f"{figures['instructions'][depth]:,.0f}" for depth in (many, ONE)), f"{figures['allocations']:.2f}"]
    cells += [f"{figures['system calls'][text]:.3f}" for text in TEXTS]
    print("| " + " | ".join(cells) + " |")


def costs():
    """What a call pays for what it asks for, on the floor and on temaki: instructions more than a plain call's, 64 in flight."""
    rows = [
        ("a deadline (`grpc-timeout: 1S`)", {"deadline": "1S"}, {}),
        ("four headers of metadata", {"metadata": 4}, {}),
        ("a task of its own (`spawn_always`)", {}, {"spawn": 1}),
    ]
    plain = {program: server_instructions(program, MANY) for program in ("floor_server", "temaki_server")}
    print("| a call has | raw h2 | temaki |\n|---|---|---|")
    for name, load, flags in rows:
        cells = [name]
        for program, base in plain.items():
            known = not flags or program == "temaki_server"
            cells.append(f"{server_instructions(program, MANY, flags, **load) - base:+,.0f}" if known else "")
        print("| " + " | ".join(cells) + " |", flush=True)


def main():
    if sys.argv[1:] == ["--costs"]:
        return costs()
    floor, server = measure_server("floor_server"), measure_server("temaki_server")
    raw, temaki = measure_client("load"), measure_client("temaki_client")
    stream_out, stream_in = measure_streams()
    bulk_instructions, bulk_faults, bulk_bytes = measure_bulk()

    print(f"\nOne unary RPC, 16-byte text, {MANY} (clients: {CLIENT_MANY}) and {ONE} in flight on one connection; system calls at {MANY} in flight, `mt`.\n")
    print("| | Ir, many | Ir, one | allocations | system calls, 16 B | 1 KiB |")
    print("|---|---|---|---|---|---|")
    row("floor, server", MANY, floor)
    row("temaki, server", MANY, server)
    row("raw h2, client (`load`)", CLIENT_MANY, raw)
    row("temaki, client", CLIENT_MANY, temaki)
    print()

    checks = [
        (f"server, {in_flight} in flight: instructions over the floor's", server["instructions"][in_flight] / floor["instructions"][in_flight], SERVER_OVER_FLOOR)
        for in_flight in (MANY, ONE)
    ]
    checks += [
        ("server: allocations", server["allocations"], ALLOCATIONS),
        *((f"server, text of {text} B: system calls", server["system calls"][text], SYSTEM_CALLS) for text in TEXTS),
        (f"client, {CLIENT_MANY} in flight: instructions", temaki["instructions"][CLIENT_MANY], CLIENT_INSTRUCTIONS),
        ("client: allocations", temaki["allocations"], ALLOCATIONS),
        ("server, a message of a stream: instructions", stream_out, STREAM_OUT_INSTRUCTIONS),
        ("client, a message of a stream: instructions", stream_in, STREAM_IN_INSTRUCTIONS),
        ("server, an echo of 1 MiB: instructions", bulk_instructions, BULK_INSTRUCTIONS),
        ("server, an echo of 1 MiB: page faults", bulk_faults, BULK_FAULTS),
        ("server, an echo of 1 MiB: bytes allocated", bulk_bytes, BULK_BYTES),
    ]
    for name, found, limit in checks:
        print(f"{'ok  ' if found <= limit else 'FAIL'}  {name}: {found:,.3f}, at most {limit:,}")
    failed = sum(found > limit for _, found, limit in checks)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
