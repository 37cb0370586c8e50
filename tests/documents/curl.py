"""Does what a `curl` of the pages does, by a client of the API."""

import argparse
import re
import shlex
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl

import httpx2

HOST = "localhost:8000"

_PARSER = argparse.ArgumentParser(prog="curl")
_PARSER.add_argument("url")
_PARSER.add_argument("-H", dest="headers", action="append", default=[])
_PARSER.add_argument("-X", dest="method")
_PARSER.add_argument("-d", "--data-urlencode", dest="data", action="append", default=[])
_PARSER.add_argument("-F", dest="form")
_PARSER.add_argument("-G", dest="get", action="store_true")
_PARSER.add_argument("-N", dest="stream", action="store_true")
_PARSER.add_argument("-OJ", dest="keep", action="store_true")
_PARSER.add_argument("-o", dest="output")


class Asked(NamedTuple):
    """What a command asks for."""

    method: str
    path: str
    body: str | None
    headers: dict[str, str]
    query: list[tuple[str, str]]
    file: str | None
    stream: bool

    @classmethod
    def of(cls, words: str) -> Self:
        """Read a command such as "curl localhost:8000/tasks -d ..."."""
        _, *given = shlex.split(words.replace("\\\n", " "), comments=True)
        found = _PARSER.parse_args(given)
        assert found.url.startswith(HOST), words
        sends = (found.data or found.form) and not found.get
        return cls(
            method=found.method or ("POST" if sends else "GET"),
            path=found.url.removeprefix(HOST),
            body=None if found.get or not found.data else found.data[0],
            headers=dict(each.split(": ", 1) for each in found.headers),
            query=parse_qsl("&".join(found.data)) if found.get else [],
            file=found.form,
            stream=found.stream,
        )


class Answer(NamedTuple):
    """What came: of a stream, what began it."""

    status: int
    text: str

    def has(self, shown: str) -> bool:
        """Say whether every member that a page shows is in it."""
        return _members(shown) <= _members(self.text)


def send(client: httpx2.Client, words: str) -> Answer:
    """Send the request of a command."""
    asked = Asked.of(words)
    request = client.build_request(
        asked.method, asked.path, headers=asked.headers, **_content(asked)
    )
    response = client.send(request, stream=asked.stream)
    if not asked.stream:
        return Answer(response.status_code, response.text)
    begun = next(response.iter_text())
    response.close()
    return Answer(response.status_code, begun)


def _content(asked: Asked) -> dict[str, Any]:
    if asked.file:
        name, _, path = asked.file.partition("=@")
        return {"files": {name: (path, f"\x89PNG {path}".encode(), "image/png")}}
    if asked.query:
        return {"params": asked.query}
    return {"content": asked.body.encode()} if asked.body else {}


def _members(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)": ?', text))
