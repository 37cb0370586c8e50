"""What pages load: styles, scripts, pictures. Addresses change with the content."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent
FOLDERS = (FOLDER / "static", FOLDER / "vendor" / "htmx")
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
KEPT = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as browsers get it."""

    path: str
    media_type: str
    content: bytes
    compressed: bytes


def _load(file: Path) -> Asset:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    packed = gzip.compress(content, mtime=0)
    return Asset(f"/ui/assets/{digest}/{file.name}", TYPES[file.suffix], content, packed)


ASSETS = {
    file.name: _load(file)
    for folder in FOLDERS
    for file in sorted(folder.iterdir())
    if file.suffix in TYPES
}
_BY_PATH = {asset.path: asset for asset in ASSETS.values()}


async def _asset(request: Request) -> Response:
    found = _BY_PATH.get("/ui/assets/{digest}/{name}".format_map(request.path_params))
    if found is None:
        return Response(status_code=404)
    headers = {"cache-control": KEPT, "vary": "accept-encoding", "content-type": found.media_type}
    if takes_gzip(request):
        return Response(found.compressed, 200, headers | {"content-encoding": "gzip"})
    return Response(found.content, 200, headers)


def takes_gzip(request: Request) -> bool:
    """Whether the client of a request unpacks gzip."""
    return "gzip" in request.headers.get("accept-encoding", "")


ROUTES = [Route("/ui/assets/{digest}/{name}", _asset)]
