"""Take the screenshots of docs/screenshots: `python -m tests.ui.screenshots`.

With names it takes those alone: `python -m tests.ui.screenshots overview queues`.
Needs a font with Chinese letters, such as Debian's fonts-wqy-microhei, and looks best with Inter.
"""

import os
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from alembic import command
from alembic.config import Config
from playwright.sync_api import Browser

from schema.runtime.addresses import DatabaseAddress
from schema.runtime.engine import create_thread_engine
from tests.api.process import ROOT, api_process
from tests.ui.browsers import chromium
from tests.ui.scene import paint
from tests.ui.surroundings import beat, surround
from tools.servers import database, default_database

FOLDER = ROOT / "docs" / "screenshots"

SCREENS = {
    "overview": "/ui/?period=15m",
    "queues": "/ui/queues",
    "workers": "/ui/workers",
    "schedules": "/ui/schedules",
    "schedule": "/ui/schedules/{schedule}",
    "batches": "/ui/batches",
    "batch": "/ui/batches/{batch}",
    "tasks": "/ui/tasks",
    "task-failed": "/ui/tasks/{failed}",
    "task-running": "/ui/tasks/{running}",
    "task-waiting": "/ui/tasks/{waiting}",
    "new-task": "/ui/tasks/new?like={failed}",
}
LOOKS = {
    "": (1280, 800, "light", "en-GB"),
    "-dark-zh": (1280, 800, "dark", "zh-CN"),
    "-small": (320, 640, "light", "en-GB"),
}


def main(names: Collection[str]) -> int:
    """Show a painted scene and take a picture of each screen in each look."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        database(default_database(), Path(folder)) as server,
    ):
        os.environ["DATABASE_URL"] = server.url
        command.upgrade(Config(ROOT / "alembic.ini"), "head")
        engine = create_thread_engine(DatabaseAddress.parse(server.url), connections=2)
        there = paint(engine) | surround(engine)
        with api_process(server.url) as process, chromium() as browser:
            process.wait_until_up()
            for name in names:
                screen = SCREENS[name].format_map(there)
                address = f"{process.client.base_url}".rstrip("/") + screen
                for look in LOOKS:
                    beat(engine)
                    _take(browser, address, name, look)
        engine.dispose()
    return 0


def _take(browser: Browser, address: str, name: str, look: str) -> None:
    width, height, theme, language = LOOKS[look]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale=language,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}{look}.png")
    context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or SCREENS))
