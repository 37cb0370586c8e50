import sys
from pathlib import Path

import pytest

from tools.servers import (
    NotServedError,
    ProgramMissingError,
    database,
    default_database,
    installing,
    programs,
    redis,
    unstable,
)
from tools.servers.__main__ import NOT_SERVED, main

MYSQL = "Ver 9.7.4 for Linux on x86_64 (MySQL Community Server)"
MARIADB = "Ver 10.11.19-MariaDB for debian-linux-gnu on x86_64"
FAKE_DEBOOTSTRAP = """
for word; do folder="$word"; done
mkdir -p "$folder/var/cache/apt/archives"
touch "$folder/var/cache/apt/archives/libc6.deb" "$folder/var/cache/apt/archives/bash.deb"
"""
FAKE_DPKG_DEB = (
    'mkdir -p "$3/usr/lib/any" && touch "$3/usr/lib/any/ld-linux.so.2" "$3/$(basename "$2")"'
)


class Machine:
    """A machine with no programs but those that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.calls = folder / "calls"

    def put(self, name: str, script: str) -> str:
        """Add a program, whose calls are counted, and return its path."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\necho {name} >>{self.calls}\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def count(self, name: str) -> int:
        return self.calls.read_text().splitlines().count(name)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    bare = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(bare.programs))
    monkeypatch.setattr(programs, "_FOLDERS", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    installing._update.cache_clear()
    return bare


@pytest.mark.usefixtures("machine")
def test_a_missing_program_is_named_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissingError) as caught:
        database("mariadb", tmp_path)
    text = str(caught.value)
    assert all(word in text for word in ("Debian", "Ubuntu", "Fedora", "macOS", "DATABASE_URL"))
    with pytest.raises(ProgramMissingError, match="REDIS_URL"):
        redis(tmp_path)
    with pytest.raises(ProgramMissingError, match="No mysql or mariadb server"):
        default_database()


@pytest.mark.usefixtures("machine")
def test_nothing_is_installed_where_apt_is_missing() -> None:
    for kind in programs.DATABASES:
        with pytest.raises(ProgramMissingError, match=kind):
            installing.ensure_database(kind)


def test_mariadb_under_the_name_of_mysqld_is_not_mysql(machine: Machine) -> None:
    machine.put("mysqld", f'echo "mysqld {MARIADB}"')
    assert programs.find_database("mysql") is None
    machine.put("mysqld", f'echo "mysqld {MYSQL}"')
    assert programs.find_database("mysql")
    assert default_database() == "mysql"


def test_a_server_that_is_too_old_is_not_found(machine: Machine) -> None:
    machine.put("mariadbd", f'echo "mariadbd {MARIADB.replace("10.11", "10.5")}"')
    assert programs.find_database("mariadb") is None
    machine.put("mariadbd", f'echo "mariadbd {MARIADB.replace("10.11", "10.6")}"')
    assert programs.find_database("mariadb")


def test_apt_is_tried_twice_before_the_index_is_blamed(machine: Machine) -> None:
    machine.put("apt-get", "exit 0")
    machine.put("sh", "echo E: Unable to locate package >&2; exit 100")
    machine.put("sudo", 'shift; [ "$1" = true ] || exec sh "$@"')
    with pytest.raises(NotServedError, match="redis-server: E: Unable to locate package"):
        installing.ensure_redis()
    assert machine.count("sh") == 2


def test_an_unstable_mysql_is_fetched_once(machine: Machine) -> None:
    debootstrap = machine.put("debootstrap", FAKE_DEBOOTSTRAP)
    machine.put("dpkg-deb", FAKE_DPKG_DEB)
    unstable.build(debootstrap)
    unstable.build(debootstrap)
    assert machine.count("debootstrap") == 1
    assert sorted(path.name for path in unstable.folder().iterdir()) == ["libc6.deb", "usr"]
    assert sorted(path.name for path in unstable.folder().parent.iterdir()) == [
        "lock",
        "mysql-unstable",
    ]
    loader, *_, program = unstable.command(unstable.folder(), "sbin/mysqld")
    assert loader.endswith("ld-linux.so.2")
    assert program.endswith("usr/sbin/mysqld")


def test_an_unstable_mysql_that_is_not_served_leaves_nothing(machine: Machine) -> None:
    debootstrap = machine.put("debootstrap", "echo E: Failed getting release file; exit 1")
    with pytest.raises(NotServedError, match="Failed getting release file"):
        unstable.build(debootstrap)
    assert machine.count("debootstrap") == 2
    assert not unstable.folder().exists()


def test_the_command_line_prints_the_kind_and_tells_failures_apart(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["servers", "install", "mysql"])
    assert main() == 1
    machine.put("debootstrap", "echo E: Failed getting release file; exit 1")
    assert main() == NOT_SERVED
    assert "Failed getting release file" in capsys.readouterr().err
    machine.put("mysqld", f'echo "mysqld {MYSQL}"')
    assert main() == 0
    assert capsys.readouterr().out == "mysql\n"
