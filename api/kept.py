"""An answer as it is kept in Redis: headers and body, sealed."""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from starlette.responses import Response

from schema.runtime.metrics import CACHE

Headers = Sequence[tuple[bytes, bytes]]

X_CACHE = b"x-cache"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A response of status 200 that may be given to several, and the version that it shows."""

    headers: Headers
    body: bytes
    version: int

    def response(self, cache: bytes) -> Response:
        """Return a response of its own, which says where it comes from."""
        return _Kept(self, cache)

    def sealed(self, key: str) -> bytes:
        """Return what is kept under a key."""
        lines = b"".join([b"%b: %b\n" % header for header in self.headers])
        content = b"%b\n%b" % (lines, self.body)
        return b"%b %d %d\n%b" % (key.encode(), self.version, crc32(content), content)


def unsealed(key: str, entry: bytes) -> Answer | None:
    """Return the answer that is kept under a key, None when it is not what was kept there."""
    seal, _, content = entry.partition(b"\n")
    try:
        name, version, checksum = seal.split(b" ")
        if name != key.encode() or int(checksum) != crc32(content):
            return None
        lines, _, body = content.partition(b"\n\n")
        headers = [_header(line) for line in lines.split(b"\n")]
        return Answer(headers, body, int(version))
    except ValueError:
        return None


def told(response: Response, cache: bytes) -> Response:
    """Return the response, which now says where it comes from."""
    response.raw_headers.append((X_CACHE, cache))
    CACHE.labels(cache.decode()).inc()
    return response


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name, value


class _Kept(Response):
    def __init__(self, answer: Answer, cache: bytes) -> None:
        # Starlette's own would encode and measure again what is there already.
        self.status_code = 200
        self.background = None
        self.body = answer.body
        self.raw_headers = [*answer.headers, (X_CACHE, cache)]
