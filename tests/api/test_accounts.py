"""What belongs to one account."""

from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.api.requests import create, faults, problem
from tests.api.test_schedules import create as create_schedule

ACCOUNTS = ["account_1", "客 1", "a/b", "a/tasks", "100%", "?#&"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_tasks_of_an_account_are_listed_as_all_tasks_are(
    client: TestClient, account: str
) -> None:
    ids = [create(client, account_id=account)["id"] for _ in range(3)]
    create(client, account_id="other")
    create(client)
    path = f"/api/v1/accounts/{quote(account, safe='')}/tasks"

    response = client.get(f"{path}?limit=2&include_total=true")

    assert [task["id"] for task in response.json()] == ids[:0:-1]
    assert response.headers["x-total-count"] == "3"
    rest = client.get(str(response.links["next"]["url"])).json()
    assert [task["id"] for task in rest] == ids[:1]
    assert client.get(f"{path}?status=done").json() == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_schedules_of_an_account_are_listed_as_all_are(
    client: TestClient, account: str
) -> None:
    ids = [create_schedule(client, account_id=account, unique=False)["id"] for _ in range(2)]
    create_schedule(client, account_id="other")
    path = f"/accounts/{quote(account, safe='')}/schedules"

    response = client.get(f"{path}?limit=1")

    assert [each["id"] for each in response.json()] == ids[1:]
    rest = client.get(str(response.links["next"]["url"])).json()
    assert [each["id"] for each in rest] == ids[:1]
    assert client.get(f"{path}?status=paused").json() == []


@pytest.mark.parametrize("what", ["tasks", "schedules"])
def test_an_account_without_any_has_an_empty_list(client: TestClient, what: str) -> None:
    assert client.get(f"/accounts/nobody/{what}").json() == []


@pytest.mark.parametrize("what", ["tasks", "schedules"])
def test_the_account_is_that_of_the_path(client: TestClient, what: str) -> None:
    response = client.get(f"/accounts/a/{what}?account_id=b")

    assert list(faults(response)) == ["/account_id"]
    assert list(faults(client.get(f"/accounts/a/{what}?colour=red"))) == ["/colour"]


@pytest.mark.parametrize("account", ["%00", "a%0A", "x" * 129, "%20a"])
def test_what_can_be_no_account_is_not_found(client: TestClient, account: str) -> None:
    problem(client.get(f"/accounts/{account}/tasks"), 404, "not_found")
