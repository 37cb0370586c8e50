"""HAProxy in front of several servers: one address, which leads to the one that takes writes."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools.cluster.node import Node
from tools.servers.bound import bound
from tools.servers.errors import ServerError
from tools.servers.ports import LOOPBACK, free_port
from tools.servers.programs import locate
from tools.servers.sql import NAME

_HEAD = """defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s

listen mysql
  bind {host}:{port}
  option httpchk GET /
  default-server inter 1s fall 1 rise 1 on-marked-down shutdown-sessions
"""


@contextmanager
def balancer(nodes: Sequence[Node], folder: Path) -> Iterator[str]:
    """Start HAProxy and what it asks who is the primary; yield the address for DATABASE_URL."""
    program = locate("haproxy")
    if program is None:
        raise ServerError("haproxy is not installed: apt-get install haproxy.")
    port = free_port()
    with ExitStack() as stack:
        config = folder / "haproxy.cfg"
        lines = [
            f"  server node-{node.port} {LOOPBACK}:{node.port}"
            f" check port {stack.enter_context(_health(node))}"
            for node in nodes
        ]
        config.write_text("\n".join([_HEAD.format(host=LOOPBACK, port=port), *lines, ""]))
        with (folder / "haproxy.log").open("wb") as log:
            process = subprocess.Popen(
                bound([program, "-f", str(config)]), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield f"mysql://root@{LOOPBACK}:{port}/{NAME}"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _health(node: Node) -> Iterator[int]:
    """Serve 200 while a node is the primary, else 503; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if node.is_primary() else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
