"""What the application needs once, and again after a change: python -m examples.setup.

Doing it twice changes nothing.
"""

from contextlib import suppress

from rowlease import Client, Conflict


def main() -> None:
    """Make the queue of thumbnails, with its limits, and the schedule of the report."""
    with Client() as client:
        with suppress(Conflict):  # it is there: made before, or with its first task
            client.queues.create(name="thumbnails")
        client.queues.edit("thumbnails", max_concurrency=2, rate_limit=100, rate_period_seconds=60)
        if not any(each.name == "report" for each in client.schedules.list(task_type="report")):
            client.schedules.create(
                name="report",
                title="what failed until {date}",
                task_type="report",
                cron="30 8 * * 1-5",
                timezone="Asia/Shanghai",
            )


if __name__ == "__main__":
    main()
