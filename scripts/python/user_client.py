"""A stock grpcio client against the user service: user_client.py ADDRESS [CA [CERTIFICATE KEY]]

With more than the address it calls in TLS.

The clients in the other languages (scripts/node, go, java, cpp) make the same checks, in this order.
"""

import sys
import threading
import uuid

import grpc
from checks import check, ends_with, run

import user_pb2 as pb
import user_pb2_grpc

Code = grpc.StatusCode
ALICE = pb.GetUserRequest(username="alice", password_hash="wonderland")


def channel_by(address, ca=None, certificate=None, key=None):
    if ca is None:
        return grpc.insecure_channel(address)
    files = [open(name, "rb").read() if name else None for name in (ca, key, certificate)]
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*files))


def names(users):
    return [user.username for user in users]


def held(requests, release):
    """These requests, and no end before `release` is set."""
    yield from requests
    release.wait(60)


@check
def right_password(stub):
    first, second = stub.GetUserUUID(ALICE).uuid, stub.GetUserUUID(ALICE).uuid
    assert first == second, (first, second)
    assert uuid.UUID(first).version == 7, first


@check
def wrong_password_and_unknown_user_look_the_same(stub):
    wrong = ends_with(Code.UNAUTHENTICATED, lambda: stub.GetUserUUID(pb.GetUserRequest(username="alice", password_hash="wonderland!")))
    unknown = ends_with(Code.UNAUTHENTICATED, lambda: stub.GetUserUUID(pb.GetUserRequest(username="nobody", password_hash="wonderland")))
    assert wrong.details() and wrong.details() == unknown.details(), (wrong.details(), unknown.details())


@check
def empty_name_and_empty_request(stub):
    ends_with(Code.INVALID_ARGUMENT, lambda: stub.GetUserUUID(pb.GetUserRequest(password_hash="wonderland")))
    ends_with(Code.INVALID_ARGUMENT, lambda: stub.GetUserUUID(pb.GetUserRequest()))


@check
def register_twice(stub):
    made = stub.RegisterUser(pb.RegisterUserRequest(username="bob", password_hash="builder")).uuid
    ends_with(Code.ALREADY_EXISTS, lambda: stub.RegisterUser(pb.RegisterUserRequest(username="bob", password_hash="thief")))
    assert stub.GetUserUUID(pb.GetUserRequest(username="bob", password_hash="builder")).uuid == made
    ends_with(Code.UNAUTHENTICATED, lambda: stub.GetUserUUID(pb.GetUserRequest(username="bob", password_hash="thief")))


@check
def register_what_cannot_be(stub):
    for name, password, reason in [("carol", "", "empty"), ("ca\nrol", "x", "control"), ("c" * 129, "x", "129 bytes")]:
        error = ends_with(Code.INVALID_ARGUMENT, lambda: stub.RegisterUser(pb.RegisterUserRequest(username=name, password_hash=password)))
        assert reason in error.details(), error.details()


@check
def import_with_bad_rows(stub):
    rows = [("dave", "a"), ("", "b"), ("ed\tith", "c"), ("frank", "d"), ("dave", "e"), ("grace", "")]
    summary = stub.ImportUsers(pb.ImportUser(username=name, password_hash=password) for name, password in rows)
    assert (summary.imported, summary.already_there) == (2, 1), summary
    assert [bad.row for bad in summary.rejected] == [2, 3, 6], summary
    assert "control" in summary.rejected[1].reason, summary
    assert stub.GetUserUUID(pb.GetUserRequest(username="dave", password_hash="a")).uuid
    assert names(stub.ListUsers(pb.ListUsersRequest(prefix="grace"))) == []


@check
def import_of_nothing(stub):
    assert stub.ImportUsers(iter(())) == pb.ImportSummary()


@check
def import_of_more_than_two_batches(stub):
    summary = stub.ImportUsers(pb.ImportUser(username=f"many-{n:03}", password_hash=str(n)) for n in range(260))
    assert (summary.imported, summary.already_there, len(summary.rejected)) == (260, 0, 0), summary


@check
def import_that_is_cancelled_leaves_nothing(stub):
    release = threading.Event()
    rows = [pb.ImportUser(username=f"gone-{n}", password_hash="x") for n in range(5)]
    call = stub.ImportUsers.future(held(rows, release))
    threading.Timer(0.2, call.cancel).start()
    ends_with(Code.CANCELLED, call.result)
    release.set()
    assert names(stub.ListUsers(pb.ListUsersRequest(prefix="gone-"))) == []


@check
def list_of_more_than_a_page_in_order(stub):
    users = list(stub.ListUsers(pb.ListUsersRequest(prefix="many-")))
    assert names(users) == [f"many-{n:03}" for n in range(260)], len(users)
    assert len({user.uuid for user in users}) == 260


@check
def list_with_a_limit_and_of_nobody(stub):
    assert names(stub.ListUsers(pb.ListUsersRequest(limit=2))) == ["alice", "bob"]
    assert names(stub.ListUsers(pb.ListUsersRequest(prefix="zzz"))) == []


@check
def list_that_is_cancelled(stub):
    call = stub.ListUsers(pb.ListUsersRequest())
    assert next(call).username == "alice"
    call.cancel()
    # The rest may have come before.
    try:
        list(call)
    except grpc.RpcError as error:
        assert error.code() == Code.CANCELLED, error
    assert names(stub.ListUsers(pb.ListUsersRequest(limit=1))) == ["alice"]


@check
def resolve_in_turns(stub):
    """Each name is sent only after the last answer: nothing may wait for more to send together."""
    turn = threading.Semaphore(1)

    def requests():
        for n in range(100):
            turn.acquire()
            yield pb.ResolveUserRequest(username=f"many-{n:03}" if n % 2 == 0 else "nobody")

    answers = 0
    for n, answer in enumerate(stub.ResolveUsers(requests(), timeout=60)):
        assert bool(answer.uuid) == (n % 2 == 0), (n, answer)
        answers += 1
        turn.release()
    assert answers == 100, answers


@check
def resolve_a_thousand_in_order(stub):
    asked = [f"many-{n % 300:03}" for n in range(1000)]
    answers = list(stub.ResolveUsers(pb.ResolveUserRequest(username=name) for name in asked))
    assert names(answers) == asked
    assert [bool(answer.uuid) for answer in answers] == [n % 300 < 260 for n in range(1000)]


@check
def deadline_of_a_nanosecond(stub):
    ends_with(Code.DEADLINE_EXCEEDED, lambda: stub.GetUserUUID(ALICE, timeout=1e-9))


@check
def deadline_of_a_held_stream(stub):
    release = threading.Event()
    seen = []

    def call():
        for answer in stub.ResolveUsers(held([pb.ResolveUserRequest(username="alice")], release), timeout=1):
            seen.append(answer.username)

    ends_with(Code.DEADLINE_EXCEEDED, call)
    release.set()
    assert seen == ["alice"], seen


@check
def cancel_of_a_unary_call(stub):
    call = stub.GetUserUUID.future(ALICE)
    threading.Timer(0.001, call.cancel).start()
    # The answer may win the race; what may not come is any other ending.
    try:
        call.result()
    except grpc.FutureCancelledError:
        pass


@check
def cancel_of_a_held_stream(stub):
    release = threading.Event()
    call = stub.ResolveUsers(held([pb.ResolveUserRequest(username="alice")], release))
    assert next(call).username == "alice"
    call.cancel()
    ends_with(Code.CANCELLED, lambda: next(call))
    release.set()


@check
def metadata_of_every_kind_is_taken(stub):
    metadata = (("x-text", "one"), ("x-text", "two, three"), ("x-bytes-bin", b"\x00\xff,"), ("x-empty", ""), ("x-long", "y" * 4000))
    _, call = stub.GetUserUUID.with_call(ALICE, metadata=metadata)
    assert call.code() == Code.OK and not call.details(), (call.code(), call.details())
    # The service has none of its own.
    assert list(call.initial_metadata()) == [] and list(call.trailing_metadata()) == [], (call.initial_metadata(), call.trailing_metadata())


@check
def metadata_beyond_the_limit_fails_its_own_call_only(stub):
    release = threading.Event()
    neighbour = stub.ResolveUsers(held([pb.ResolveUserRequest(username="alice")], release))
    next(neighbour)
    try:
        stub.GetUserUUID(ALICE, metadata=(("x-long", "y" * 20_000),))
        raise AssertionError("20,000 bytes of metadata were taken")
    except grpc.RpcError as error:
        # Which one is the client's choice: the limit stands in the server's SETTINGS.
        assert error.code() != Code.OK, error
    release.set()
    assert list(neighbour) == []


@check
def a_request_beyond_the_limit_is_refused(stub):
    ends_with(Code.RESOURCE_EXHAUSTED, lambda: stub.GetUserUUID(pb.GetUserRequest(username="x" * 2000)))
    assert stub.GetUserUUID(ALICE).uuid


@check
def a_compressed_request_is_refused(stub):
    request = pb.GetUserRequest(username="x" * 100, password_hash="y" * 100)
    error = ends_with(Code.UNIMPLEMENTED, lambda: stub.GetUserUUID(request, compression=grpc.Compression.Gzip))
    assert "gzip" in error.details(), error.details()


@check
def an_unknown_method_is_unimplemented(stub):
    unknown = stub.channel.unary_unary("/UserService/Nothing", pb.GetUserRequest.SerializeToString, pb.GetUserResponse.FromString)
    error = ends_with(Code.UNIMPLEMENTED, lambda: unknown(ALICE))
    assert "Nothing" in error.details(), error.details()


@check
def many_at_once_and_all_the_same(stub):
    calls = [stub.GetUserUUID.future(ALICE) for _ in range(20)]
    assert len({call.result().uuid for call in calls}) == 1


if __name__ == "__main__":
    with channel_by(*sys.argv[1:]) as channel:
        stub = user_pb2_grpc.UserServiceStub(channel)
        stub.channel = channel
        run(stub)
