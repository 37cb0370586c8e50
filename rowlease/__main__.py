"""The command line: `python -m rowlease`, or `rowlease` where the package is installed."""

from rowlease.command_line.main import main

if __name__ == "__main__":
    main()
