"""The task type `report`: a table of what failed lately, as a file.

Handlers do not touch the database: it asks the API, as any other program does, at ROWLEASE_URL
and with ROWLEASE_TOKEN.
"""

import csv
import io
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field

from rowlease import AsyncClient
from worker import Context, handler


class Period(BaseModel):
    """Payload: how far back to look."""

    days: int = Field(default=1, ge=1, le=90)


@handler("report")
async def report(context: Context, payload: Period) -> dict[str, int]:
    """Return how many tasks failed, and the number of the file that lists them."""
    since = datetime.now(UTC) - timedelta(days=payload.days)
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["id", "queue", "type", "title", "error"])
    count = 0
    async with AsyncClient() as client:
        async for task in client.tasks.list(status="failed", created_after=since):
            rows.writerow([task.id, task.queue, task.task_type, task.title, task.last_error])
            count += 1
            context.progress(message=f"{count} so far")
    content = table.getvalue().encode()
    name = f"failed-{since:%Y-%m-%d}.csv"
    return {
        "failed": count,
        "file": await context.keep(content, name=name, content_type="text/csv"),
    }
