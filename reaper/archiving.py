"""The archive: compressed NDJSON in a folder that fsspec reaches."""

import gzip
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

import fsspec
import orjson

from schema import archive
from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import Settings
from schema.runtime.transactions import run

PAGE = 500


def write(folder: str, lines: Iterable[bytes]) -> str:
    """Write a file of lines under the folder, which comes to be if it must; return its URL."""
    content = gzip.compress(b"".join(line + b"\n" for line in lines))
    name = f"{datetime.now(UTC):%Y-%m-%d}/tasks-{datetime.now(UTC):%H%M%S}-{uuid.uuid4().hex}"
    url = f"{folder.rstrip('/')}/{name}.ndjson.gz"
    filesystem, path = fsspec.core.url_to_fs(url)
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    filesystem.pipe_file(path, content)
    return url


def load(read_settings: Callable[[], Settings], folder: str) -> int:
    """Put back what the files under a folder (or one file) have; return the exit code."""
    engine = create_thread_engine(read_settings().database)
    filesystem, path = fsspec.core.url_to_fs(folder)
    files = [path] if filesystem.isfile(path) else filesystem.glob(f"{path}/**/*.ndjson.gz")
    found = back = 0
    for each in sorted(files):
        lines = gzip.decompress(filesystem.cat_file(each)).splitlines()
        for start in range(0, len(lines), PAGE):
            page = [orjson.loads(line) for line in lines[start : start + PAGE]]
            back += run(engine, partial(archive.put_back, found=page))
            found += len(page)
    sys.stdout.write(f"{found} tasks in {len(files)} files, {back} put back\n")
    if back:
        sys.stdout.write(
            "The next pruning, within the hour, takes them again unless their queues keep them"
            " longer: PATCH /queues/{name} with retention_days and retention_failed_days.\n"
        )
    engine.dispose()
    return 0
