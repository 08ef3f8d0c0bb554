"""A bucket of moto, which answers as S3 does, in a process of its own: delta-rs may hold up the threads of ours."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class MotoServer:
    """The server, which can stop to answer for a while."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = VARIABLES | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("moto's server did not answer")

    def pause(self) -> None:
        """Answer nothing until `go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def served() -> Iterator[MotoServer]:
    """A server whose address and credentials are in the environment."""
    from bank_assets.store.places import bucket_store

    server = MotoServer()
    before = {name: os.environ.get(name) for name in server.environment}
    os.environ.update(server.environment)
    bucket_store.cache_clear()
    try:
        yield server
    finally:
        server.stop()
        bucket_store.cache_clear()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def new_bucket(name: str) -> str:
    """Make a bucket and return its address."""
    from pyarrow.fs import S3FileSystem

    from bank_assets.store.places import SCHEME

    options = {"region": os.environ["AWS_REGION"], "endpoint_override": os.environ["AWS_ENDPOINT_URL"]}
    S3FileSystem(**options, allow_bucket_creation=True).create_dir(name)
    return SCHEME + name
