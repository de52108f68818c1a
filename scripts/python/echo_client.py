"""A stock grpcio client against temaki's echo server: echo_client.py ADDRESS [--gzip]

With --gzip the client compresses, and the server reads and writes gzip."""

import sys
import threading
import time

import grpc
from checks import check, ends_with, run

import echo_pb2 as pb
import echo_pb2_grpc

Code = grpc.StatusCode
GZIP = "--gzip" in sys.argv


@check
def unary(stub):
    reply = stub.Unary(pb.EchoRequest(text="hi", payload=b"\x00\xff"))
    assert (reply.text, reply.payload, reply.number) == ("hi", b"\x00\xff", 0)


@check
def unary_with_an_empty_message_both_ways(stub):
    assert stub.Unary(pb.EchoRequest()) == pb.EchoResponse()


@check
def unary_of_3_MiB(stub):
    payload = bytes(range(256)) * (3 * 4096)
    assert stub.Unary(pb.EchoRequest(payload=payload)).payload == payload


@check
def a_request_over_4_MiB_is_refused(stub):
    ends_with(Code.RESOURCE_EXHAUSTED, lambda: stub.Unary(pb.EchoRequest(payload=bytes(4 * 1024 * 1024 + 1))))
    assert stub.Unary(pb.EchoRequest(text="after")).text == "after"


@check
def each_status_code_with_its_message(stub):
    for code in Code:
        number, _ = code.value
        if number == 0:
            continue
        message = f"code {number}"
        error = ends_with(code, lambda: stub.Unary(pb.EchoRequest(fail_with=number, text=message)))
        assert error.details() == message, error.details()


@check
def a_status_message_of_any_text(stub):
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n100%"
    error = ends_with(Code.UNKNOWN, lambda: stub.Unary(pb.EchoRequest(fail_with=2, text=message)))
    assert error.details() == message, error.details()


@check
def metadata_both_ways(stub):
    sent = (("x-echo-text", "one"), ("x-echo-text", "two"), ("x-echo-bin", b"\x00\x01,\xff"), ("x-trailer-bin", b"\xff\xfe"), ("x-trailer-text", "end"))
    _, call = stub.Unary.with_call(pb.EchoRequest(), metadata=sent)
    headers, trailers = list(call.initial_metadata()), list(call.trailing_metadata())
    for pair in sent[:3]:
        assert pair in headers, (pair, headers)
    for pair in sent[3:]:
        assert pair in trailers, (pair, trailers)


@check
def server_stream(stub):
    replies = list(stub.ServerStream(pb.EchoRequest(text="x", count=1000)))
    assert [reply.number for reply in replies] == list(range(1000))


@check
def server_stream_of_no_answer(stub):
    assert list(stub.ServerStream(pb.EchoRequest())) == []


@check
def server_stream_that_ends_in_an_error(stub):
    seen = []

    def call():
        for reply in stub.ServerStream(pb.EchoRequest(count=3, fail_with=9, text="enough")):
            seen.append(reply.number)

    error = ends_with(Code.FAILED_PRECONDITION, call)
    assert (seen, error.details()) == ([0, 1, 2], "enough")


@check
def server_stream_of_20_MiB_read_slowly(stub):
    size = 0
    for number, reply in enumerate(stub.ServerStream(pb.EchoRequest(payload=bytes(1024 * 1024), count=20))):
        size += len(reply.payload)
        if number < 5:
            time.sleep(0.05)
    assert size == 20 * 1024 * 1024, size


@check
def client_stream(stub):
    reply = stub.ClientStream(pb.EchoRequest(text="a", payload=b"b") for _ in range(1000))
    assert (reply.text, reply.payload, reply.number) == ("a" * 1000, b"b" * 1000, 1000)


@check
def client_stream_of_no_request(stub):
    assert stub.ClientStream(iter(())).number == 0


@check
def client_stream_answered_before_its_end(stub):
    def requests():
        yield pb.EchoRequest(fail_with=7, text="no more")
        while True:
            yield pb.EchoRequest()

    error = ends_with(Code.PERMISSION_DENIED, lambda: stub.ClientStream(requests()))
    assert error.details() == "no more", error.details()


@check
def bidi_echo_of_10000_messages(stub):
    number = 0
    for reply in stub.Bidi(pb.EchoRequest(text=str(n)) for n in range(10_000)):
        assert (reply.text, reply.number) == (str(number), number), (number, reply)
        number += 1
    assert number == 10_000, number


@check
def bidi_in_turns(stub):
    """Each request is sent only after the last answer: nothing may wait for more to send together."""
    turn = threading.Semaphore(1)

    def requests():
        for n in range(200):
            turn.acquire()
            yield pb.EchoRequest(text=str(n))

    replies = 0
    for _ in stub.Bidi(requests(), timeout=60):
        replies += 1
        turn.release()
    assert replies == 200, replies


@check
def deadline_of_a_nanosecond(stub):
    # grpcio's timers know milliseconds, and a call can be over in less: hence the delay.
    ends_with(Code.DEADLINE_EXCEEDED, lambda: stub.Unary(pb.EchoRequest(delay_ms=100), timeout=1e-9))


@check
def deadline_while_the_handler_waits(stub):
    # A client that waited for the answer would wait beyond the time that a peer program gets.
    ends_with(Code.DEADLINE_EXCEEDED, lambda: stub.Unary(pb.EchoRequest(delay_ms=600_000), timeout=0.2))


@check
def deadline_in_a_server_stream(stub):
    seen = []

    def call():
        for reply in stub.ServerStream(pb.EchoRequest(count=1000, delay_ms=20), timeout=0.3):
            seen.append(reply)

    ends_with(Code.DEADLINE_EXCEEDED, call)
    assert seen, "answers before the deadline came"


@check
def cancel_of_a_unary_call(stub):
    call = stub.Unary.future(pb.EchoRequest(delay_ms=5000))
    threading.Timer(0.1, call.cancel).start()
    ends_with(Code.CANCELLED, call.result)


@check
def cancel_of_a_bidi_call(stub):
    def requests():
        yield pb.EchoRequest(text="one")
        time.sleep(2)

    call = stub.Bidi(requests())
    assert next(call).text == "one"
    call.cancel()
    ends_with(Code.CANCELLED, lambda: next(call))


@check
def an_unknown_method_is_unimplemented(stub):
    unknown = stub.channel.unary_unary("/temaki.test.Echo/Nothing", pb.EchoRequest.SerializeToString, pb.EchoResponse.FromString)
    error = ends_with(Code.UNIMPLEMENTED, lambda: unknown(pb.EchoRequest()))
    assert "Nothing" in error.details(), error.details()


@check
def an_unknown_service_is_unimplemented(stub):
    unknown = stub.channel.unary_unary("/nobody.Nowhere/Nothing", pb.EchoRequest.SerializeToString, pb.EchoResponse.FromString)
    error = ends_with(Code.UNIMPLEMENTED, lambda: unknown(pb.EchoRequest()))
    assert "nobody.Nowhere" in error.details(), error.details()


@check
def a_request_in_a_coding_that_is_off_is_unimplemented(stub):
    off = grpc.Compression.Deflate if GZIP else grpc.Compression.Gzip
    call = lambda: stub.Unary(pb.EchoRequest(text="z" * 1000), compression=off)
    if GZIP:  # there deflate is on, too
        assert call().text == "z" * 1000
        return
    error = ends_with(Code.UNIMPLEMENTED, call)
    assert "gzip" in error.details(), error.details()


@check
def a_target_of_several_addresses(stub):
    """Its :authority would be the addresses with a comma between them, which h2 refuses: hence an authority of its own."""
    host, port = stub.address.rsplit(":", 1)
    options = [("grpc.default_authority", "echo.test")]
    with grpc.insecure_channel(f"ipv4:{host}:{port},{host}:{port}", options=options) as channel:
        assert echo_pb2_grpc.EchoStub(channel).Unary(pb.EchoRequest(text="hi")).text == "hi"


@check
def hundred_calls_at_once(stub):
    calls = [stub.Unary.future(pb.EchoRequest(text=str(n), delay_ms=20)) for n in range(100)]
    assert [call.result().text for call in calls] == [str(n) for n in range(100)]


if __name__ == "__main__":
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    compression = grpc.Compression.Gzip if GZIP else grpc.Compression.NoCompression
    with grpc.insecure_channel(sys.argv[1], options=options, compression=compression) as channel:
        stub = echo_pb2_grpc.EchoStub(channel)
        stub.channel, stub.address = channel, sys.argv[1]
        run(stub)
