"""Be a peer's worker or client: `python -m tools.bench.peers.apps NAME worker|client`."""

import importlib
import sys

from tools.bench.peers.apps.ground import run

if __name__ == "__main__":
    run(importlib.import_module(f"{__package__}.{sys.argv[1]}").PEER, sys.argv[2])
