"""A way to the database that a test can close, freeze or break at a chosen word."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy.engine import make_url

LOOPBACK = "127.0.0.1"


class Proxy:
    """Passes bytes on to the server of `url`, for as long as it is told to."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self._target = (target.host or LOOPBACK, target.port or 3306)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.delay_seconds = 0.0
        self.break_at: bytes | None = None
        self.break_at_next: bytes | None = None
        self.freeze_at: bytes | None = None
        self.hole_at: bytes | None = None
        self._holes: set[socket.socket] = set()
        self._listener = self._listen(0)
        port = self._listener.getsockname()[1]
        self.url = target.set(host=LOOPBACK, port=port).render_as_string(hide_password=False)

    @property
    def is_frozen(self) -> bool:
        """Whether every byte is held back."""
        return not self._flowing.is_set()

    def freeze(self) -> None:
        """Hold back every byte: the server seems to hang."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let the bytes go on."""
        self._flowing.set()

    def leave(self) -> None:
        """Break all connections and refuse new ones: the server seems to be gone."""
        self._is_open = False
        self._end(self._listener)
        self.cut()

    def cut(self) -> None:
        """Break all connections; new ones are taken."""
        for each in list(self._sockets):
            self._end(each)

    def come_back(self) -> None:
        """Take connections again, on the same port, if it had left."""
        if not self._is_open:
            self._listener = self._listen(self._listener_port)

    def close(self) -> None:
        """Break everything and wait for the threads."""
        self.leave()
        self.thaw()
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((LOOPBACK, port))
        self._is_open = True
        self._listener_port: int = listener.getsockname()[1]
        self._start(self._accept, listener)
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._start(self._join, client)

    def _join(self, client: socket.socket) -> None:
        """Pass on what is said on a connection until it ends; the server may be away."""
        self._sockets.append(client)
        with client, suppress(OSError), socket.create_connection(self._target) as server:
            self._sockets.append(server)
            back = self._start(self._pump, server, client)
            self._pump(client, server)
            back.join()
            self._holes -= {client, server}
            self._sockets.remove(server)
        self._sockets.remove(client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._act_on(data, source, sink)
                self._flowing.wait()
                time.sleep(self.delay_seconds)
                if source not in self._holes:
                    sink.sendall(data)
        self._end(source)
        self._end(sink)

    def _act_on(self, data: bytes, source: socket.socket, sink: socket.socket) -> None:
        if self.hole_at and self.hole_at in data:
            self.hole_at = None
            self._holes |= {source, sink}  # half open: what is said there is lost
        if self.break_at and self.break_at in data:
            self.break_at, self.break_at_next = self.break_at_next, None
            if self.break_at is None:
                self._end(source)  # the data still go on; the answer finds nobody
        if self.freeze_at and self.freeze_at in data:
            self.freeze_at = None
            self.freeze()

    def _start(self, target: object, *arguments: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        with self._starting:
            thread.start()
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        return thread

    @staticmethod
    def _end(each: socket.socket) -> None:
        with suppress(OSError):  # it was not connected any more
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """Open a way to the server of `url`."""
    opened = Proxy(url)
    try:
        yield opened
    finally:
        opened.close()
