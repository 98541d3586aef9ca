"""A local S3: moto's server in a process of its own, on loopback, one request at a time.

moto checks `If-None-Match` and then puts, with other requests in between: two writers could both be
told that they were first, which no S3 does. One request at a time makes its answer true.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BUCKET = "bucket"
SERVER = """
import os, sys
import threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

class Quiet(WSGIRequestHandler):
    def log(self, *anything): pass

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app),
                     threaded=False, request_handler=Quiet)
print(server.server_port, flush=True)
def leave():  # with whoever started it, however that ends
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
server.serve_forever()
"""


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Start the server with an empty bucket; yields what a user would set in the environment."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
        }
        make_bucket(environment)
        yield environment
    finally:
        process.kill()
        process.wait(10)


def make_bucket(environment: dict[str, str], name: str = BUCKET) -> None:
    """Make a bucket."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    client.create_bucket(Bucket=name)


def in_environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a child process that uses the server."""
    return {**os.environ, **environment}
