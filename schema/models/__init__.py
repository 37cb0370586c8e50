"""The tables, declared. Importing this module makes the metadata whole."""

from schema.models import history, queues, requests, schedules, tasks, workers
from schema.models.metadata import Model

metadata = Model.metadata

__all__ = ["history", "metadata", "queues", "requests", "schedules", "tasks", "workers"]
