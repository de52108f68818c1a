"""A check is a function with a name; each is run, and the last line counts them."""

import sys
import traceback

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def run(*arguments):
    passed = failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            function(*arguments)
        except Exception:
            failed += 1
            print(f"FAIL  {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            print(f"ok    {name}")
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def ends_with(code, call):
    """The call fails with this code; returns the error for a closer look."""
    import grpc

    try:
        answer = call()
    except grpc.RpcError as error:
        assert error.code() == code, f"expected {code}, got {error.code()}: {error.details()}"
        return error
    except grpc.FutureCancelledError as error:
        assert code == grpc.StatusCode.CANCELLED, f"expected {code}, got cancelled"
        return error
    raise AssertionError(f"expected {code}, got the answer {repr(answer)[:200]}")
