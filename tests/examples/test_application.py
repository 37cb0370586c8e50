"""The example application as its Procfile runs it."""

import csv
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from examples import setup
from rowlease import Client
from tests.api.process import ApiProcess, api_process
from tests.conftest import ROOT
from tests.examples.test_handlers import picture
from tests.processes import Start
from tools.up.procfile import read_procfile

PROCFILE = read_procfile(ROOT / "examples" / "Procfile")


@pytest.fixture(scope="module")
def running_api(database_url: str) -> Iterator[ApiProcess]:
    """One API process for all tests."""
    with api_process(database_url) as process:
        process.wait_until_up("/readyz")
        yield process


@pytest.fixture
def client(
    engine: Engine,  # noqa: ARG001  # empties the tables
    running_api: ApiProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Client]:
    """A client of the application's API, with nothing in it."""
    monkeypatch.setenv("ROWLEASE_URL", str(running_api.client.base_url))
    with Client() as opened:
        yield opened


@pytest.fixture
def worker(client: Client, start: Start) -> None:  # noqa: ARG001  # after the tables are emptied
    """The application's worker."""
    handlers, *command = shlex.split(PROCFILE["worker"])
    assert command == ["python", "-m", "worker"]
    start("worker", WORKER_HANDLERS=handlers.removeprefix("WORKER_HANDLERS="))


def test_its_procfile_runs_what_the_checkout_runs() -> None:
    plain = read_procfile(ROOT / "Procfile")

    assert {
        name: line.partition("WORKER_HANDLERS=")[0] or plain[name]
        for name, line in PROCFILE.items()
    } == plain


def test_setting_up_twice_is_setting_up_once(client: Client) -> None:
    setup.main()
    setup.main()

    assert client.queues.get("thumbnails").max_concurrency == 2
    (schedule,) = client.schedules.list()
    assert (schedule.task_type, schedule.cron) == ("report", "30 8 * * 1-5")


@pytest.mark.usefixtures("worker")
def test_a_picture_goes_in_and_its_copies_come_out(client: Client, tmp_path: Path) -> None:
    setup.main()
    (tmp_path / "cat.png").write_bytes(picture(40, 20))
    given = client.files.upload(tmp_path / "cat.png")
    task = client.tasks.create(
        title="small",
        task_type="thumbnails",
        queue="thumbnails",
        payload={"file": given.id, "widths": [10]},
    )

    done = client.tasks.wait(task.id, timeout=20)

    assert done.status == "done", done.last_error
    (copy,) = done.result["copies"]
    assert (copy["width"], copy["height"]) == (10, 5)
    assert client.files.get(copy["file"]).content_type == "image/webp"


@pytest.mark.usefixtures("worker")
def test_the_report_lists_what_failed(client: Client, tmp_path: Path) -> None:
    failing = client.tasks.create(title="bad", task_type="fail", retry_limit=0)
    client.tasks.wait(failing.id, timeout=20)
    setup.main()
    (schedule,) = client.schedules.list()

    done = client.tasks.wait(client.schedules.run(schedule.id).id, timeout=20)

    assert done.status == "done", done.last_error
    assert done.result["failed"] == 1
    client.files.download(done.result["file"], tmp_path / "failed.csv")
    with (tmp_path / "failed.csv").open() as file:
        assert [row["title"] for row in csv.DictReader(file)] == ["bad"]
