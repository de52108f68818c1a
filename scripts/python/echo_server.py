"""proto/echo.proto served by grpcio, for temaki's client. Prints 'listening on PORT' and ends with the process that
started it.

Metadata of a request whose name starts with x-echo comes back as response metadata, with x-trailer as trailers. With `--gzip` each
answer is compressed, whether the client said that it can read that or not.
"""

import os
import sys
import time
from concurrent import futures

import grpc

import echo_pb2 as pb
import echo_pb2_grpc

CODES = {code.value[0]: code for code in grpc.StatusCode}


def respond(context):
    metadata = context.invocation_metadata()
    context.send_initial_metadata([pair for pair in metadata if pair[0].startswith("x-echo")])
    context.set_trailing_metadata([pair for pair in metadata if pair[0].startswith("x-trailer")])


def end(request, context):
    if request.fail_with:
        context.abort(CODES[request.fail_with], request.text)


def reply(request, index):
    time.sleep(request.delay_ms / 1000)
    return pb.EchoResponse(text=request.text, payload=bytes(request.answer_size) or request.payload, number=index)


class Echo(echo_pb2_grpc.EchoServicer):
    def Unary(self, request, context):
        respond(context)
        answer = reply(request, 0)
        end(request, context)
        return answer

    def ServerStream(self, request, context):
        respond(context)
        for index in range(request.count):
            yield reply(request, index)
        end(request, context)

    def ClientStream(self, requests, context):
        respond(context)
        text, payload, number = [], [], 0
        for request in requests:
            end(request, context)
            text.append(request.text)
            payload.append(request.payload)
            number += 1
        return pb.EchoResponse(text="".join(text), payload=b"".join(payload), number=number)

    def Bidi(self, requests, context):
        respond(context)
        for index, request in enumerate(requests):
            end(request, context)
            yield reply(request, index)


def main():
    compression = grpc.Compression.Gzip if "--gzip" in sys.argv else grpc.Compression.NoCompression
    options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    server = grpc.server(futures.ThreadPoolExecutor(16), options=options, compression=compression)
    echo_pb2_grpc.add_EchoServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("listening on", port, flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
