"""Start a cluster on this machine and say where it is, until Ctrl-C: python -m tools.cluster."""

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from tools.cluster.balancer import balancer
from tools.cluster.nodes import cluster
from tools.servers import ServerError
from tools.servers.installing import ensure_database


def main() -> int:
    """Run the cluster; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.cluster")
    parser.add_argument("--folder", type=Path, default=Path("build/cluster"))
    parser.add_argument("--haproxy", action="store_true", help="also one address, by HAProxy")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        ensure_database("mysql")
        with ExitStack() as stack:
            running = stack.enter_context(cluster(options.folder.resolve()))
            print(f"DATABASE_URL={running.url}")
            if options.haproxy:
                print(
                    f"DATABASE_URL={stack.enter_context(balancer(running.nodes, options.folder))}"
                )
            print(f"The primary listens on {running.primary().port}.", flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except ServerError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
