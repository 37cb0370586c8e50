"""The table of moves."""

import pytest

from schema.states import (
    ANY,
    FINISHED,
    MOVES,
    RUNNING,
    STATUSES_OF,
    WAITING,
    Actor,
    State,
    Status,
    Verb,
    state_of,
)


def test_every_verb_has_a_row() -> None:
    assert set(MOVES) == set(Verb)


def test_workers_and_the_reaper_move_only_what_runs_but_for_the_claim() -> None:
    machines = {verb for verb, move in MOVES.items() if move.by in {Actor.WORKER, Actor.REAPER}}

    assert all(MOVES[verb].sources == RUNNING for verb in machines - {Verb.CLAIM})
    assert MOVES[Verb.CLAIM].sources == WAITING


def test_only_a_start_leaves_a_finished_state() -> None:
    leaving = {verb for verb, move in MOVES.items() if move.sources & FINISHED and move.targets}

    assert leaving == {Verb.START}
    assert Status.DONE not in MOVES[Verb.START].sources


def test_a_task_can_be_deleted_in_any_state() -> None:
    assert MOVES[Verb.DELETE].sources == ANY


@pytest.mark.parametrize(
    ("status", "stage", "state"),
    [
        (Status.PAUSED, None, State.READY),
        (Status.TO_DO, None, State.PENDING),
        (Status.RETRYING, None, State.PENDING),
        (Status.IN_PROGRESS, "QUEUED", State.QUEUED),
        (Status.IN_PROGRESS, "RUNNING", State.RUNNING),
        (Status.IN_PROGRESS, None, State.RUNNING),
        (Status.DONE, None, State.SUCCESS),
        (Status.FAILED, None, State.FAILED),
        (Status.CANCELLED, None, State.STOPPED),
    ],
)
def test_each_status_has_one_word_of_the_requirement(
    status: Status, stage: str | None, state: State
) -> None:
    assert state_of(status, stage) == state


def test_every_status_has_words_to_ask_for_it() -> None:
    assert {*STATUSES_OF} == {*State, "pending", "running", "paused", "completed", "error"}
    assert {status for state in State for status in STATUSES_OF[state]} == ANY


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("PENDING", WAITING),
        ("QUEUED", RUNNING),
        ("RUNNING", RUNNING),
        ("STOPPED", {Status.CANCELLED}),
        ("pending", WAITING),
        ("error", {Status.FAILED}),
    ],
)
def test_a_word_asks_for_statuses(word: str, statuses: set[Status]) -> None:
    assert STATUSES_OF[word] == statuses
