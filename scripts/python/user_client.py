"""A stock grpcio client against the user service: user_client.py ADDRESS USERNAME PASSWORD_HASH"""

import sys
import threading
import uuid

import grpc
from checks import check, ends_with, run

import user_pb2 as pb
import user_pb2_grpc

Code = grpc.StatusCode


@check
def right_password(stub, name, password):
    first = stub.GetUserUUID(pb.GetUserRequest(username=name, password_hash=password)).uuid
    second = stub.GetUserUUID(pb.GetUserRequest(username=name, password_hash=password)).uuid
    assert first == second, (first, second)
    assert uuid.UUID(first).version == 7, first


@check
def wrong_password_and_unknown_user_look_the_same(stub, name, password):
    wrong = ends_with(Code.UNAUTHENTICATED, lambda: stub.GetUserUUID(pb.GetUserRequest(username=name, password_hash=password + "!")))
    unknown = ends_with(Code.UNAUTHENTICATED, lambda: stub.GetUserUUID(pb.GetUserRequest(username="nobody", password_hash=password)))
    assert wrong.details() == unknown.details(), (wrong.details(), unknown.details())


@check
def empty_name(stub, name, password):
    ends_with(Code.INVALID_ARGUMENT, lambda: stub.GetUserUUID(pb.GetUserRequest(password_hash=password)))


@check
def empty_request(stub, name, password):
    ends_with(Code.INVALID_ARGUMENT, lambda: stub.GetUserUUID(pb.GetUserRequest()))


@check
def deadline_of_a_nanosecond(stub, name, password):
    ends_with(Code.DEADLINE_EXCEEDED, lambda: stub.GetUserUUID(pb.GetUserRequest(username=name, password_hash=password), timeout=1e-9))


@check
def cancel(stub, name, password):
    call = stub.GetUserUUID.future(pb.GetUserRequest(username=name, password_hash=password))
    threading.Timer(0.001, call.cancel).start()
    # The answer may win the race; what may not come is any other ending.
    try:
        call.result()
    except grpc.FutureCancelledError:
        pass


@check
def many_at_once_and_all_the_same(stub, name, password):
    calls = [stub.GetUserUUID.future(pb.GetUserRequest(username=name, password_hash=password)) for _ in range(20)]
    assert len({call.result().uuid for call in calls}) == 1


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[1]) as channel:
        run(user_pb2_grpc.UserServiceStub(channel), *sys.argv[2:4])
