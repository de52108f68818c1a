"""A stock grpcio client at its worst, without ill will, against temaki's echo server: honest_client.py ADDRESS

Each check keeps a stream open on its connection, the witness: it lives only if the server has not cut the connection.
"""

import queue
import sys
import threading
import time

import grpc
from checks import check, ends_with, run

import echo_pb2 as pb
import echo_pb2_grpc

Code = grpc.StatusCode


class Witness:
    """A stream that says something before and after, and is answered both times."""

    def __init__(self, stub):
        self.requests = queue.SimpleQueue()
        self.answers = stub.Bidi(iter(self.requests.get, None), timeout=250)
        self.says("before")

    def says(self, text):
        self.requests.put(pb.EchoRequest(text=text))
        assert next(self.answers).text == text

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.says("after")
        self.requests.put(None)


def witnessed(test):
    def tested(stub):
        with Witness(stub):
            test(stub)

    tested.__name__ = test.__name__
    return check(tested)


def small_messages(count, lag_ms=0):
    """The handler waits so long before it answers the first, and so reads no other meanwhile."""
    yield pb.EchoRequest(text="0", delay_ms=lag_ms)
    for n in range(1, count):
        yield pb.EchoRequest(text=str(n))


def all_come_back(stub, count, lag_ms=0):
    number = 0
    for reply in stub.Bidi(small_messages(count, lag_ms), timeout=250):
        assert (reply.text, reply.number) == (str(number), number), (number, reply)
        number += 1
    assert number == count, number


def together(count, work):
    """Runs `work` in so many threads, and reports what the first of them says that fails."""
    failures = []

    def guarded(n):
        try:
            work(n)
        except BaseException as error:  # noqa: BLE001: told below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@witnessed
def twenty_thousand_small_messages_to_a_handler_that_lags(stub):
    all_come_back(stub, 20_000, lag_ms=2_000)


@witnessed
def eight_such_streams_beside_an_active_one(stub):
    def work(n):
        if n == 8:
            for k in range(500):
                assert stub.Unary(pb.EchoRequest(text=str(k)), timeout=60).text == str(k)
        else:
            all_come_back(stub, 5_000, lag_ms=3_000)

    together(9, work)


@witnessed
def bursts_of_calls_that_are_cancelled_together(stub):
    for _ in range(12):
        calls = [stub.Unary.future(pb.EchoRequest(delay_ms=60_000)) for _ in range(200)]
        for call in calls:
            call.cancel()
        assert stub.Unary(pb.EchoRequest(text="beside"), timeout=60).text == "beside"


@witnessed
def streams_that_are_read_for_one_message_and_cancelled(stub):
    for _ in range(1_000):
        answers = stub.ServerStream(pb.EchoRequest(text="x", count=1_000), timeout=60)
        assert next(answers).number == 0
        answers.cancel()


@witnessed
def uploads_that_are_answered_before_they_end(stub):
    def requests():
        yield pb.EchoRequest(fail_with=7, text="no more")
        for _ in range(20):
            yield pb.EchoRequest(payload=bytes(1024))

    def work(_):
        for _ in range(50):
            ends_with(Code.PERMISSION_DENIED, lambda: stub.ClientStream(requests(), timeout=60))

    together(40, work)


@witnessed
def calls_that_expire_at_both_ends(stub):
    for _ in range(30):
        calls = [stub.Unary.future(pb.EchoRequest(delay_ms=20), timeout=0.02) for _ in range(100)]
        for call in calls:
            code = call.code()
            assert code in (Code.OK, Code.DEADLINE_EXCEEDED), code
        assert stub.Unary(pb.EchoRequest(text="beside"), timeout=60).text == "beside"


@witnessed
def a_heartbeat_in_turns(stub):
    turns = queue.SimpleQueue()
    turns.put(0)
    count = 0
    answers = stub.Bidi((pb.EchoRequest(text=str(turns.get())) for _ in range(3_000)), timeout=120)
    for reply in answers:
        assert reply.text == str(count)
        count += 1
        turns.put(count)
    assert count == 3_000, count


@witnessed
def fifty_thousand_small_answers_to_a_reader_that_lags(stub):
    answers = stub.ServerStream(pb.EchoRequest(text="x", count=50_000), timeout=250)
    time.sleep(2)
    assert [reply.number for reply in answers] == list(range(50_000))


@witnessed
def bulk_in_both_directions_with_the_pings_that_measure_it(stub):
    """grpcio sends PINGs beside DATA, to find out how much the way holds."""
    for _ in range(30):
        payload = bytes(2 * 1024 * 1024)
        assert len(stub.Unary(pb.EchoRequest(payload=payload), timeout=60).payload) == len(payload)


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[1]) as channel:
        run(echo_pb2_grpc.EchoStub(channel))
