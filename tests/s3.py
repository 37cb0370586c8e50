"""Buckets on this machine: S3 as moto plays it, and the driver led to it by the environment."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from tools.servers.ports import LOOPBACK, free_port

KEY = "AKIDTEST"
BUCKET = "bucket"


@contextmanager
def running_s3() -> Iterator[str]:
    """Play S3, with one bucket in it; the environment leads this process and others there."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(LOOPBACK, free_port(), verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        S3FileSystem.clear_instance_cache()
        S3FileSystem().mkdir(BUCKET)
        yield address
    S3FileSystem.clear_instance_cache()
    server.stop()
