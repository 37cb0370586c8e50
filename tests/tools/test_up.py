import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.waiting import wait_for
from tools.servers.ports import free_port, is_free

CHECKOUT = Path(__file__).parents[2]
DEADLINE_SECONDS = 30
FOREVER = "echo pid $$; exec tail -f /dev/null"
DEAF = "trap '' TERM; echo deaf; exec tail -f /dev/null"

Start = Callable[..., "Up"]


class Up:
    """A running `python -m tools.up` whose lines can be waited for."""

    def __init__(self, folder: Path, environment: dict[str, str], words: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.up", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.seen: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, pattern: str) -> re.Match[str]:
        """Return the match in the next line that matches."""
        end = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                self.seen.append(self._lines.get(timeout=max(0, end - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"{pattern!r} did not come after: {self.seen}")
            if match := re.search(pattern, self.seen[-1]):
                return match

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ends_with(self) -> int:
        code = self.process.wait(DEADLINE_SECONDS)
        self._reader.join()
        while not self._lines.empty():
            self.seen.append(self._lines.get())
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE_SECONDS)
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line.rstrip("\n"))


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Start]:
    """Start the supervisor in a folder with this Procfile; keywords go into the environment."""
    started = []

    def start(procfile: str, *words: str, **variables: str) -> Up:
        (tmp_path / "Procfile").write_text(procfile)
        ours = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": "mysql://db",
            "REDIS_URL": "redis://cache",
            "PORT": str(free_port()),
            **variables,
        }
        environment = {key: value for key, value in ours.items() if value != "unset"}
        started.append(Up(tmp_path, environment, list(words)))
        return started[-1]

    yield start
    for running in started:
        running.close()


@contextmanager
def watched(pid: int) -> Iterator[Callable[[], bool]]:
    """Give a function that waits for the end of a process and says whether it came."""
    handle = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([handle], [], [], DEADLINE_SECONDS)[0])
    finally:
        os.close(handle)


def test_a_process_that_ends_is_started_again_with_growing_delays(up: Start) -> None:
    running = up("worker: echo here; exit 3\nreaper: true\n")
    running.until(r"worker\.1 \| here")
    running.until(r"worker\.1 \| ended with code 3; starts again in 0\.5 s")
    running.until(r"worker\.1 \| here")
    running.until(r"worker\.1 \| ended with code 3; starts again in 1 s")
    assert any("reaper.1 | ended with code 0; starts again" in line for line in running.seen)


def test_a_process_that_cannot_run_as_it_is_set_up_ends_everything_with_its_sentence(
    up: Start,
) -> None:
    refuses = "echo loading; echo 'worker: SIZE is not set' >&2; exit 2"
    running = up(f"worker: {refuses}\nreaper: {FOREVER}\n")
    assert running.ends_with() == 2
    assert running.seen.count("worker.1 | worker: SIZE is not set") == 1
    assert running.seen[-1] == (
        "worker.1 cannot run as it is set up. It said: worker: SIZE is not set"
    )


@pytest.mark.parametrize("workers", ["-1", "many", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(up: Start, workers: str) -> None:
    running = up(f"worker: {FOREVER}\n", "--workers", workers)
    assert running.ends_with() == 1
    assert running.seen == [f"WORKERS is '{workers}': set it to a number, 0 or more."]


def test_a_killed_process_is_started_again_and_its_group_ended(up: Start) -> None:
    running = up("worker: tail -f /dev/null & echo child $!; echo pid $$; wait\n")
    child = int(running.until(r"child (\d+)")[1])
    leader = int(running.until(r"pid (\d+)")[1])
    with watched(child) as ended:
        os.kill(leader, signal.SIGKILL)
        running.until("ended by SIGKILL; starts again")
        assert ended()
    assert int(running.until(r"pid (\d+)")[1]) != leader


def test_a_release_line_that_fails_stops_everything(up: Start) -> None:
    running = up("worker: echo worked\nrelease: echo half done; exit 7\n")
    assert running.ends_with() == 7
    assert "release.1 | half done" in running.seen
    assert running.seen[-1] == "The release line failed with code 7, so nothing was started."
    assert not any("worked" in line for line in running.seen)


def test_the_release_line_comes_to_its_end_before_the_others(up: Start) -> None:
    running = up(f"worker: {FOREVER}\nrelease: echo one; echo two\n")
    running.until("pid")
    assert [line.split("| ")[1][:3] for line in running.seen] == ["one", "two", "pid"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_that_was_started(up: Start, number: signal.Signals) -> None:
    running = up(f"worker: {FOREVER}\n")
    with watched(int(running.until(r"pid (\d+)")[1])) as ended:
        running.process.send_signal(number)
        assert running.ends_with() == 0
        assert ended()


def test_a_signal_ends_the_release_line(up: Start) -> None:
    running = up(f"release: {FOREVER}\nworker: echo worked\n")
    running.until("pid")
    running.interrupt()
    assert running.ends_with() == 0
    assert not any("worked" in line for line in running.seen)


def test_processes_are_asked_before_they_are_killed(up: Start, tmp_path: Path) -> None:
    drains = "trap 'echo drained; exit' TERM; echo ready; tail -f /dev/null & wait"
    (tmp_path / "drains.sh").write_text(drains)
    running = up("worker: sh drains.sh\n")
    running.until("ready")
    running.interrupt()
    assert running.ends_with() == 0
    assert running.seen[-1] == "worker.1 | drained"


def test_a_second_interrupt_kills(up: Start) -> None:
    running = up(f"worker: {DEAF}\n")
    running.until("deaf")
    running.interrupt()
    running.until("Ctrl-C again kills")
    running.interrupt()
    assert running.ends_with() == 0


def test_processes_end_when_the_supervisor_is_killed(up: Start) -> None:
    running = up(f"worker: {FOREVER}\n")
    with watched(int(running.until(r"pid (\d+)")[1])) as ended:
        running.process.kill()
        assert ended()


def test_workers_are_scaled(up: Start) -> None:
    running = up(f"reaper: {FOREVER}\nworker: {FOREVER}\n", "--workers", "3")
    for _ in range(4):
        running.until("pid")
    assert sorted(line.split(" ")[0] for line in running.seen) == [
        "reaper.1",
        "worker.1",
        "worker.2",
        "worker.3",
    ]


def test_the_environment_wins_over_the_env_file(up: Start, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COLOUR=blue\nSHAPE='a circle'\nDATABASE_URL=mysql://file\n")
    running = up(
        "worker: echo $COLOUR, $SHAPE, $DATABASE_URL, $PYTHONUNBUFFERED; command -v python\n",
        DATABASE_URL="unset",
        COLOUR="red",
    )
    running.until("red, a circle, mysql://file, 1$")
    running.until(re.escape(str(Path(sys.executable).parent / "python")))


def test_the_last_line_gives_the_address_once_all_is_up(up: Start, tmp_path: Path) -> None:
    (tmp_path / "livez").touch()
    running = up(f"web: python -m http.server --bind 127.0.0.1 $PORT\nworker: {FOREVER}\n")
    port = running.until(r"Rowlease is up: http://127\.0\.0\.1:(\d+) ")[1]
    socket.create_connection(("127.0.0.1", int(port)), DEADLINE_SECONDS).close()


def test_a_port_that_was_asked_for_and_is_taken_is_refused(up: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        running = up(f"web: {FOREVER}\n", PORT=port)
        assert running.ends_with() == 1
    assert running.seen == [
        f"PORT {port} is taken by another program: end that or set another PORT."
    ]


def test_another_port_is_used_where_the_usual_one_is_taken(up: Start) -> None:
    with ExitStack() as others:
        if is_free(8000):
            others.enter_context(socket.create_server(("127.0.0.1", 8000)))
        running = up("worker: echo port $PORT\n", PORT="unset")
        port = running.until(r"Port 8000 is taken by another program, so port (\d+) is used\.")[1]
        running.until(f"port {port}$")


def test_a_second_one_in_the_same_checkout_is_refused(up: Start) -> None:
    running = up(f"worker: {FOREVER}\n")
    running.until("pid")
    second = up("worker: echo second\n")
    assert second.ends_with() == 1
    assert second.seen == ["`make up` already runs in this checkout: end that one first."]


def test_a_line_that_is_no_process_is_refused(up: Start) -> None:
    running = up("# ours\n\nworker: echo yes\nworker without a colon\n")
    assert running.ends_with() == 1
    assert running.seen == ["Line 4 of Procfile is not `name: command`."]


def test_what_has_no_line_end_is_printed_too(up: Start) -> None:
    running = up("release: printf 'no end'; exit 1\n")
    assert running.ends_with() == 1
    assert running.seen[0] == "release.1 | no end"


def test_private_servers_run_and_keep_their_data_and_ports(up: Start, tmp_path: Path) -> None:
    words = "worker: echo $DATABASE_URL $REDIS_URL; exec tail -f /dev/null\n"
    urls = []
    for _ in range(2):
        running = up(words, DATABASE_URL="unset", REDIS_URL="unset")
        urls.append(
            running.until(r"worker\.1 \| (mysql://root@127\.0\.0\.1:\d+/rowlease redis://.*)")[1]
        )
        assert (tmp_path / ".local/database-url").read_text() == urls[-1].split()[0]
        running.interrupt()
        assert running.ends_with() == 0
    assert urls[0] == urls[1]
    port = int(urls[0].split("/")[2].split(":")[1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_demonstration_has_a_double_of_runninghub_and_leads_to_it(up: Start) -> None:
    says = "echo $RUNNINGHUB_KEYS $HTTP_ALLOW_HOSTS $PUBLIC_URL $PORT; exec tail -f /dev/null"
    running = up(f"worker: {says}\n", "--demo", RUNNINGHUB_KEYS="mine=k")

    told = running.until(
        r"worker\.1 +\| demo=demo@http://(127\.0\.0\.1:\d+),mine=k \1 http://127\.0\.0\.1:(\d+) \2$"
    )

    with httpx2.Client(base_url=f"http://{told[1]}") as client:
        wait_for(lambda: _answers(client))
        status = client.post("/uc/openapi/accountStatus", json={"apikey": "demo"}).json()
    assert status["code"] == 0


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/double").is_success
    except httpx2.ConnectError:
        return False
