"""temaki beside tonic: CPU time per call, and calls per second. Run it as `scripts/versus`.

The measured side is pinned to core 0 and its counterpart to core 1. Rounds are interleaved, A B C C B A, so that a machine that slows down slows everybody
down; a round gives one ratio for each contestant, and the table has the medians. Above 1 is better than tonic on its default multi-thread runtime.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile

from drive import HERE, Server, client

MIB = 1 << 20
MEASURED, COUNTERPART = ["taskset", "-c", "0"], ["taskset", "-c", "1"]


class Contestant:
    """A server and a client, and which of the two is measured."""

    def __init__(self, name, server, client, side, server_flags=None, client_flags=None):
        self.name, self.server, self.client, self.side = name, server, client, side
        self.server_flags, self.client_flags = server_flags or {}, client_flags or {}


def servers(bulk_frame=None, **floor):
    """Everybody's server under the same load. `floor` is what the floor has to be told, since it answers fixed bytes."""
    load = {"max_frame": bulk_frame} if bulk_frame else {}
    return [
        Contestant("tonic", "tonic_server", "load", "server", {"runtime": "mt"}, load),
        Contestant("temaki", "temaki_server", "load", "server", {"runtime": "mt"}, load),
        Contestant("temaki ct", "temaki_server", "load", "server", {"runtime": "ct"}, load),
        Contestant("floor", "floor_server", "load", "server", {"runtime": "ct", **floor}, load),
    ]


def clients(**floor):
    """Everybody's client against the floor."""
    return [
        Contestant("tonic", "floor_server", "tonic_client", "client", floor, {"runtime": "mt"}),
        Contestant("temaki", "floor_server", "temaki_client", "client", floor, {"runtime": "mt"}),
        Contestant("temaki ct", "floor_server", "temaki_client", "client", floor, {"runtime": "ct"}),
        Contestant("floor", "floor_server", "load", "client", floor),
    ]


def pairs(**both):
    """Both ends of the same stack; the CPU is that of both."""
    return [
        Contestant("tonic", "tonic_server", "tonic_client", "both", both, both),
        Contestant("temaki", "temaki_server", "temaki_client", "both", both, both),
    ]


def tls(folder):
    """One end is measured, and the other end is temaki's for both; the CPU of the cryptography is in it."""
    with_tls = {"tls": folder}
    servers = [Contestant(who, f"{who}_server", "temaki_client", "server", with_tls, with_tls) for who in ["tonic", "temaki"]]
    clients = [Contestant(who, "temaki_server", f"{who}_client", "client", with_tls, with_tls) for who in ["tonic", "temaki"]]
    return [
        ("TLS, server, 1x1", servers, {"calls": 10_000}),
        ("TLS, server, 1x64", servers, {"calls": 50_000, "in_flight": 64}),
        ("TLS, client, 64 in flight", clients, {"calls": 50_000, "in_flight": 64}),
        ("TLS, server, 1 MiB unary, 1x1", servers, {**bulk, "calls": 200}),
    ]


bulk = {"method": "carry", "text_bytes": MIB, "warm_up": 20}
stream = {"method": "repeat", "times": 10_000, "warm_up": 4}

# (name, contestants, flags of the client)
SCENARIOS = [
    ("server, 1x1", servers(), {"calls": 10_000}),
    ("server, 1x64", servers(), {"calls": 100_000, "in_flight": 64}),
    ("server, 10x100", servers(), {"calls": 100_000, "in_flight": 100, "connections": 10}),
    ("server, 1x64, 1 KiB", servers(text_bytes=1024), {"calls": 60_000, "in_flight": 64, "text_bytes": 1024}),
    ("server, 1x64, 8 KiB", servers(text_bytes=8192), {"calls": 30_000, "in_flight": 64, "text_bytes": 8192}),
    ("client, 1 in flight", clients(), {"calls": 10_000}),
    ("client, 64 in flight", clients(), {"calls": 100_000, "in_flight": 64}),
    ("client, 256 in flight", clients(), {"calls": 100_000, "in_flight": 256}),
    ("server, 1 MiB unary, 1x1, 16 KiB frames", servers(cargo=1, text_bytes=MIB), {**bulk, "calls": 200}),
    ("server, 1 MiB unary, 1x8, 16 KiB frames", servers(cargo=1, text_bytes=MIB), {**bulk, "calls": 400, "in_flight": 8}),
    ("server, 1 MiB unary, 1x1, 256 KiB frames", servers(MIB // 4, cargo=1, text_bytes=MIB), {**bulk, "calls": 200}),
    ("client, 1 MiB unary, 1 in flight", clients(cargo=1, text_bytes=MIB), {**bulk, "calls": 200}),
    ("both ends, 1 MiB unary, 1 in flight", pairs(), {**bulk, "calls": 200}),
    ("both ends, 1 MiB unary, 8 in flight", pairs(), {**bulk, "calls": 400, "in_flight": 8}),
    ("both ends, 64 KiB unary in gzip, 1 in flight", pairs(gzip=1), {"method": "carry", "text_bytes": MIB // 16, "calls": 1_000, "warm_up": 20}),
    ("both ends, 64 KiB unary in gzip, 8 in flight", pairs(gzip=1), {"method": "carry", "text_bytes": MIB // 16, "calls": 2_000, "warm_up": 20, "in_flight": 8}),
    ("server, stream of 16 B messages (µs a message)", servers(times=10_000), {**stream, "calls": 40, "in_flight": 4}),
    ("client, stream of 16 B messages (µs a message)", clients(times=10_000), {**stream, "calls": 100, "in_flight": 4}),
    ("both ends, stream of 16 B messages (µs a message)", pairs(), {**stream, "calls": 40, "in_flight": 4}),
]


def leg(contestant, server, flags, pin):
    """One run of one contestant: (CPU, wall-clock) in nanoseconds."""
    before = server.reading()["cpu_ns"]
    under = {"server": COUNTERPART, "client": MEASURED, "both": COUNTERPART}[contestant.side] if pin else []
    report = client(contestant.client, server, under, **flags, **contestant.client_flags)
    served = server.reading()["cpu_ns"] - before
    # The client leaves its own warm-up out; the server's is a few percent of the calls, the same for everyone.
    return {"server": served, "client": report["cpu_ns"], "both": served + report["cpu_ns"]}[contestant.side], report["elapsed_ns"]


def play(name, contestants, flags, rounds, pin):
    with contextlib.ExitStack() as running:
        for contestant in contestants:
            under = {"server": MEASURED, "client": COUNTERPART, "both": MEASURED}[contestant.side] if pin else []
            contestant.running = running.enter_context(Server(contestant.server, under, **contestant.server_flags))
        results = {contestant.name: [] for contestant in contestants}
        for number in range(rounds + 1):
            sums = {contestant.name: (0, 0) for contestant in contestants}
            for contestant in [*contestants, *reversed(contestants)]:
                measured = leg(contestant, contestant.running, flags, pin)
                sums[contestant.name] = tuple(a + b for a, b in zip(sums[contestant.name], measured))
            # The first round warms everybody up.
            if number > 0:
                for who, measured in sums.items():
                    results[who].append(measured)
    units = 2 * flags["calls"] * flags.get("times", 1)

    def micros(who):
        return statistics.median(cpu for cpu, _ in results[who]) / units / 1000

    def ratio(who, index):
        return statistics.median(tonic[index] / measured[index] for tonic, measured in zip(results["tonic"], results[who]))

    def shown(who, text):
        return text() if who in results else ""

    cells = [
        name,
        f"{micros('tonic'):.2f}",
        f"{micros('temaki'):.2f}",
        f"**{ratio('temaki', 0):.2f}**",
        f"{ratio('temaki', 1):.2f}",
        shown("temaki ct", lambda: f"{ratio('temaki ct', 0):.2f}"),
        shown("floor", lambda: f"{ratio('floor', 0):.2f}"),
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def busy(rounds):
    """Handlers that compute for 200 µs, 64 in flight, all cores: polled in place first, and spawned from the start. Above 1, in place is quicker."""
    flags = {"calls": 20_000, "in_flight": 64, "warm_up": 2_000}
    told = {"in place": {}, "spawned": {"spawn": 1}}
    ratios = []
    with contextlib.ExitStack() as running:
        servers = {name: running.enter_context(Server("temaki_server", runtime="mt", busy_us=200, **more)) for name, more in told.items()}
        for _ in range(rounds):
            took = dict.fromkeys(servers, 0)
            for name in ["in place", "spawned", "spawned", "in place"]:
                took[name] += client("load", servers[name], **flags)["elapsed_ns"]
            ratios.append(took["spawned"] / took["in place"])
    print(f"rate of 200 µs handlers, polled in place against spawned: {statistics.median(ratios):.3f} (rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")


def main():
    parser = argparse.ArgumentParser(description="temaki beside tonic: CPU per call and rate")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each of two legs a contestant (5)")
    parser.add_argument("--only", default="", help="only scenarios with this in their name")
    parser.add_argument("--unpinned", action="store_true", help="both sides on all cores")
    parser.add_argument("--busy", action="store_true", help="only this: handlers that compute, polled in place against spawned")
    asked = parser.parse_args()
    if asked.busy:
        return busy(asked.rounds)
    print("| scenario | tonic, CPU µs | temaki, CPU µs | x CPU | x rate | x CPU, temaki ct | x CPU, raw h2 |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(HERE, "../../scripts/dev_ca"), folder], check=True, stdout=subprocess.DEVNULL)
        for name, contestants, flags in [*SCENARIOS, *tls(folder)]:
            if asked.only in name:
                play(name, contestants, flags, asked.rounds, not asked.unpinned)


main()
