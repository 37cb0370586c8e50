"""dbworker: rows of a table of one's own are the tasks."""

import threading
from collections.abc import Sequence

from dbworker import Coordinator, Finished
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tools.bench.peers.apps.ground import STORE_URL, Peer, note

URL = STORE_URL.replace("mysql://", "mysql+pymysql://")
CONCURRENCY = 4

sessions = sessionmaker(create_engine(URL), expire_on_commit=False)
coordinator = Coordinator(sessions, database_url=URL)


class Base(DeclarativeBase):
    """The tables."""


class Task(Base):
    """A row that is a task."""

    __tablename__ = "bench_tasks"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


@coordinator.transactional_worker(name="noted", source=Task, concurrency=CONCURRENCY)
def noted(source: Task, session: Session) -> Finished:  # noqa: ARG001
    """Note that it was carried out."""
    note(source.number)
    return Finished()


def set_up() -> None:
    """Make the tables."""
    with sessions() as session:
        Base.metadata.create_all(session.get_bind())
    coordinator.create_worker_tables()


def one(number: int) -> None:
    """Create a task."""
    many([number])


def many(numbers: Sequence[int]) -> None:
    """Create tasks by one statement."""
    with sessions.begin() as session:
        session.execute(insert(Task), [{"number": number} for number in numbers])


def worker() -> None:
    """Carry tasks out."""
    coordinator.start()
    threading.Event().wait()


PEER = Peer(one=one, many=many, worker=worker, set_up=set_up)
