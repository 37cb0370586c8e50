"""Environments of the peers: one each, so that no two need the same version of anything."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench.errors import BenchError
from tools.bench.peers.catalogue import Row
from tools.bench.stand import ROOT

APPS = Path(__file__).with_name("apps")
INSTALL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Environment:
    """How a row's program is started, and the versions of what it stands on."""

    command: Sequence[str]
    variables: Mapping[str, str]
    versions: Mapping[str, str]


def ensure(row: Row, folder: Path) -> Environment:
    """Return the environment of a row, which is made in `folder` unless it is there.

    Raises BenchError, with the reason in a sentence, where it cannot be had.
    """
    if row.is_ours:
        return Environment(_module(sys.executable, row), {}, {})
    place = folder.resolve() / "-".join([row.program.removesuffix(".cjs"), row.store.split()[0]])
    mark = place / "versions.json"
    if not mark.exists() or json.loads(mark.read_text()).keys() != _names(row):
        shutil.rmtree(place, ignore_errors=True)
        versions = (_install_node if row.is_node else _install_python)(place, row)
        mark.write_text(json.dumps(versions))
    versions = json.loads(mark.read_text())
    if row.is_node:
        variables = {"NODE_PATH": str(place / "node_modules")}
        return Environment(["node", str(APPS / row.program)], variables, versions)
    return Environment(_module(_python_of(place), row), {}, versions)


def _module(python: str, row: Row) -> list[str]:
    return [python, "-m", "tools.bench.peers.apps", row.program]


def _names(row: Row) -> set[str]:
    return {name.split("[")[0] for name in row.requires}


def _python_of(place: Path) -> str:
    return str(place / "bin" / "python")


def _install_python(place: Path, row: Row) -> dict[str, str]:
    _run([_python(row.python), "-m", "venv", str(place)])
    _run([_python_of(place), "-m", "pip", "install", "-qq", *row.requires])
    listed = json.loads(_run([_python_of(place), "-m", "pip", "list", "--format=json"]))
    every = {each["name"].lower().replace("_", "-"): each["version"] for each in listed}
    return {name: every.get(name.lower(), "") for name in _names(row)}


def _install_node(place: Path, row: Row) -> dict[str, str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise BenchError("node and npm are not installed: apt-get install nodejs npm.")
    place.mkdir(parents=True)
    _run(["npm", "install", "--silent", "--no-fund", "--prefix", str(place), *row.requires])
    packages = {name: place / "node_modules" / name / "package.json" for name in row.requires}
    return {name: json.loads(path.read_text())["version"] for name, path in packages.items()}


def _python(least: tuple[int, int]) -> str:
    """Return a Python that is new enough: ours, or one that is installed beside it."""
    if sys.version_info >= least:
        return sys.executable
    name = f"python{least[0]}.{least[1]}"
    versions = (Path.home() / ".pyenv" / "versions").glob(f"{least[0]}.{least[1]}*/bin/python3")
    for path in [shutil.which(name), *map(str, versions)]:
        if path and subprocess.run([path, "-V"], capture_output=True, check=False).returncode == 0:
            return path
    raise BenchError(f"It needs {name}, which is not installed.")


def _run(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{words[0]} took longer than {INSTALL_SECONDS} seconds.") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it gave no reason").splitlines()
        raise BenchError(f"It cannot be installed: {said[-1]}")
    return done.stdout
