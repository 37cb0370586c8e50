"""The `web` process: `python -m api`."""

import sys

from api.serving import serve
from schema.runtime.settings import SettingsError, settings


def main() -> int:
    """Serve the API; 2 when a setting is wrong."""
    try:
        return serve(settings())
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
