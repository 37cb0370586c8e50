"""Messages over a socket, each pickled behind its length."""

import pickle
import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("!I")
CHUNK_BYTES = 65_536


class Wire:
    """One end. The child's blocks; the worker's never does, whatever the other end does."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._incoming = bytearray()
        self._outgoing = bytearray()

    def send(self, message: Any) -> None:
        """Send a message whole, however long that takes."""
        self.end.sendall(_packed(message))

    def receive(self) -> Any:
        """Wait for a message. Raises EOFError when the other end is gone."""
        while True:
            for message in self._complete():
                return message
            self._read()

    def wait(self) -> None:
        """Wait until there is something to receive, or the other end is gone."""
        if not self._has_message():
            select.select([self.end], [], [])

    def put(self, message: Any) -> bool:
        """Send a message as far as it goes at once; whether that was all of it.

        Raises OSError when the other end is gone.
        """
        self._outgoing += _packed(message)
        return self.flush()

    def flush(self) -> bool:
        """Send what was left; whether that was all of it."""
        try:
            while self._outgoing:
                del self._outgoing[: self.end.send(self._outgoing)]
        except BlockingIOError:
            return False
        return True

    def take(self) -> Iterator[Any]:
        """Read what is there, and yield the messages that are complete.

        Raises EOFError or another OSError when the other end is gone.
        """
        self._read()
        return self._complete()

    def close(self) -> None:
        """Close this end."""
        self.end.close()

    def _read(self) -> None:
        chunk = self.end.recv(CHUNK_BYTES)
        if not chunk:
            raise EOFError
        self._incoming += chunk

    def _has_message(self) -> bool:
        return len(self._incoming) >= max(self._next_end(), _LENGTH.size)

    def _next_end(self) -> int:
        """Return where the next message ends; 0 when that is not known yet."""
        if len(self._incoming) < _LENGTH.size:
            return 0
        return _LENGTH.size + int(_LENGTH.unpack_from(self._incoming)[0])

    def _complete(self) -> Iterator[Any]:
        while self._has_message():
            end = self._next_end()
            message = pickle.loads(self._incoming[_LENGTH.size : end])  # noqa: S301  # our child's
            del self._incoming[:end]
            yield message


def _packed(message: Any) -> bytes:
    pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(pickled)) + pickled


def pair() -> tuple[Wire, socket.socket]:
    """Return the worker's end, and a socket for the child to make its end of."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    return Wire(ours), theirs
