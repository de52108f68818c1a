"""proto/helloworld.proto served by grpcio in TLS: tls_server.py CERTIFICATE KEY [CLIENT_CA]. Prints 'listening on PORT' and ends with the
process that started it. It greets with the name in the client's certificate, if it asks for one.
"""

import os
import sys
import time
from concurrent import futures

import grpc

import helloworld_pb2 as pb
import helloworld_pb2_grpc


class Greeter(helloworld_pb2_grpc.GreeterServicer):
    def SayHello(self, request, context):
        names = context.auth_context().get("x509_common_name", [])
        return pb.HelloReply(message=f"Hello {request.name} of {[name.decode() for name in names]}")


def main():
    files = [open(name, "rb").read() for name in sys.argv[1:]]
    certificate, key, root = files + [None] * (3 - len(files))
    server = grpc.server(futures.ThreadPoolExecutor(4))
    helloworld_pb2_grpc.add_GreeterServicer_to_server(Greeter(), server)
    credentials = grpc.ssl_server_credentials([(key, certificate)], root, require_client_auth=root is not None)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    print("listening on", port, flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.2)


main()
