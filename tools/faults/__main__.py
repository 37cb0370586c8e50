"""Prove that a run kept its promises: python -m tools.faults [--acks FILE] [--effects FILE]."""

import argparse
import sys
from pathlib import Path

from schema.runtime.engine import create_thread_engine
from schema.runtime.settings import SettingsError, settings
from tools.faults.checker import Expected, check, report
from tools.faults.evidence import gather


def main() -> int:
    """Check the database of DATABASE_URL; the exit code is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tools.faults")
    parser.add_argument("--acks", type=Path, help="what the API promised: a journal of tools.soak")
    parser.add_argument("--effects", type=Path, help="what handlers did: the file EFFECTS names")
    parser.add_argument("--unfinished", action="store_true", help="some tasks need not have ended")
    options = parser.parse_args()
    try:
        engine = create_thread_engine(settings().database, connections=1)
    except SettingsError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    evidence = gather(engine, options.acks, options.effects)
    engine.dispose()
    broken = check(evidence, Expected(all_ended=not options.unfinished))
    print(report(evidence, broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
