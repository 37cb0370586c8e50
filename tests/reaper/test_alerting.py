"""Alerts: what is told, to whom in which words, and that it is told once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from reaper import posting
from reaper.alerting import Alerting
from schema import alerts, dispatcher, pressure, queues
from schema.alerts import Alert, AlertCode, Memory
from schema.pressure import Pressure, Snapshot
from schema.runtime import alert_urls
from schema.runtime.settings import Settings
from schema.runtime.transactions import transaction
from tests.processes import Start
from tests.reaper.vendors import VENDORS, text_of
from tests.receiver import Receiver, Reply, receiving
from tests.rows import change, claim, fail, make, succeed
from tests.schema.test_overview import count, start_worker
from tests.waiting import wait_for

NOW = datetime(2026, 11, 22, 12)  # noqa: DTZ001  # naive UTC, as in the database
FAILURES = Alert(AlertCode.FAILURES, values={"failed": 3})
WAITING = Alert(AlertCode.WAITING, "a", {"seconds": 700.0})
HOUR = 3_600.0


@pytest.fixture(autouse=True)
def knows_nothing(engine: Engine) -> Iterator[None]:
    """Forgets what was told and seen, before and afterwards."""
    forget(engine)
    yield
    forget(engine)


def forget(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM settings WHERE name IN ('alerts', 'pressure')")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def alerting(engine: Engine, url: str = "", **fields: Any) -> Alerting:
    address = engine.url.render_as_string(hide_password=False)
    return Alerting(engine, Settings(database_url=address, alert_urls=url, **fields))


def at_double(receiver: Receiver, vendor: str) -> str:
    """Let the receiver play a vendor; return the URL for ALERT_URLS."""
    receiver.answer, path = VENDORS[vendor]
    return f"{vendor}+http://{receiver.host}{path}"


def let_wait(engine: Engine, queue: str = "images", seconds: float = 700) -> int:
    """Make a task that has been due for long."""
    (task_id,) = make(engine, queue=queue)
    change(engine, task_id, f"available_at = UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND")
    return task_id


def told(receiver: Receiver) -> list[dict[str, Any]]:
    """Return what a generic webhook was told, all messages together."""
    return [
        {name: each[name] for name in ("code", "queue", "is_over")}
        for request in receiver.received
        for each in orjson.loads(request.body)["alerts"]
    ]


def seen(engine: Engine, **limits: float) -> list[tuple[str, str | None]]:
    """Return what is wrong now."""
    thresholds = alerts.Thresholds(
        **{
            "failure_rate": 0.2,
            "waiting_seconds": 600,
            "snapshot_seconds": 600,
            "repeat_seconds": HOUR,
            **limits,
        }
    )
    with engine.connect() as connection:
        now = connection.exec_driver_sql("SELECT UTC_TIMESTAMP(6)").scalar_one()
        return [(each.code, each.queue) for each in alerts.find(connection, thresholds, now)]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_takes_its_format_and_signature(
    engine: Engine, receiver: Receiver, vendor: str
) -> None:
    let_wait(engine)
    start_worker(engine)
    with capture_logs() as logs:
        alerting(engine, at_double(receiver, vendor))()

    [request] = receiver.received
    assert "Queue images: the oldest due task has waited for 11.7 min." in text_of(request)
    assert [each["event"] for each in logs] == ["alert sent"]


def test_a_generic_webhook_is_given_text_and_values(engine: Engine, receiver: Receiver) -> None:
    let_wait(engine)
    start_worker(engine)
    alerting(engine, receiver.url + "?secret=1", public_url="https://tasks.example.org")()

    [request] = receiver.received
    body = orjson.loads(request.body)
    assert request.path == "/?secret=1"
    assert body["text"].startswith("Rowlease https://tasks.example.org\n! Queue images")
    assert body["where"] == "https://tasks.example.org"
    [alert] = body["alerts"]
    assert (alert["code"], alert["queue"], alert["is_over"]) == ("waiting", "images", False)
    assert alert["values"]["seconds"] >= 700


def test_a_setting_chooses_chinese_and_the_time_zone(engine: Engine, receiver: Receiver) -> None:
    let_wait(engine)
    chinese = alerting(engine, receiver.url, alert_language="zh", timezone="Asia/Shanghai")
    chinese()
    with transaction(engine) as connection:
        row = connection.exec_driver_sql("SELECT value FROM settings WHERE name = 'alerts'")
        old = row.scalar_one().replace(datetime.now(UTC).strftime("%Y-%m-%d"), "2020-01-01")
        connection.exec_driver_sql("UPDATE settings SET value = %s WHERE name = 'alerts'", (old,))
    chinese()

    text = "\n".join(text_of(each) for each in receiver.received)
    assert "队列 images：最早到期的任务已等待 11.7 分钟。" in text
    assert "CST 起有任务到期，但没有存活的 worker。" in text


def test_the_same_is_told_once_whoever_looks(engine: Engine, receiver: Receiver) -> None:
    task_id = let_wait(engine)
    start_worker(engine)
    one, other = alerting(engine, receiver.url), alerting(engine, receiver.url)
    for each in (one, other, one):
        each()
    assert told(receiver) == [{"code": "waiting", "queue": "images", "is_over": False}]

    change(engine, task_id, "available_at = UTC_TIMESTAMP(6)")
    for each in (other, one):
        each()

    assert told(receiver)[1:] == [{"code": "waiting", "queue": "images", "is_over": True}]


def test_two_reapers_do_not_wait_for_one_another(engine: Engine) -> None:
    let_wait(engine)
    first = alerting(engine)
    first()
    with transaction(engine) as connection:
        connection.exec_driver_sql("SELECT 1 FROM settings WHERE name = 'alerts' FOR UPDATE")
        with transaction(engine) as second:
            limits = alerts.Thresholds(0.2, 600, 600, HOUR)
            assert alerts.look(second, "other", limits) == []


def test_what_lasts_is_told_again_only_after_a_while() -> None:
    memory = Memory()
    minutes = [0, 15, 59, 60, 61, 119, 120]
    news = [
        memory.news([FAILURES], NOW + timedelta(minutes=each), HOUR) == [FAILURES]
        for each in minutes
    ]
    assert news == [True, False, False, True, False, False, True]


def test_what_comes_and_goes_is_not_told_each_time() -> None:
    memory = Memory()
    count = 0
    for minute in range(60):
        found = [WAITING] if minute % 2 == 0 else []
        count += len(memory.news(found, NOW + timedelta(minutes=minute), HOUR))
    assert count == 2  # that it is, and that it is over


def test_what_was_told_long_ago_is_forgotten() -> None:
    memory = Memory()
    for queue in range(100):
        now = NOW + timedelta(hours=queue)
        memory.news([Alert(AlertCode.WAITING, f"q{queue}", {})], now, HOUR)
    assert len(memory.told) <= 2


def test_no_worker_is_told_after_half_a_minute() -> None:
    memory = Memory()
    found = [Alert(AlertCode.NO_WORKER, values={"since": NOW})]
    news = [memory.news(found, NOW + timedelta(seconds=each), HOUR) for each in (0, 15, 30)]
    assert news == [[], [], found]


def test_a_silent_reaper_is_told_by_another_one() -> None:
    memory = Memory()
    memory.beat("one", NOW)
    memory.beat("two", NOW)
    for second in range(15, 121, 15):
        assert memory.beat("two", NOW + timedelta(seconds=second)) == []
    [alert] = memory.beat("two", NOW + timedelta(seconds=135))

    assert alert.code is AlertCode.REAPER_SILENT
    assert alert.values == {"name": "one", "since": NOW}
    assert memory.beat("two", NOW + timedelta(seconds=150)) == []


def test_after_an_outage_of_all_reapers_none_is_called_silent() -> None:
    memory = Memory()
    memory.beat("one", NOW)
    memory.beat("two", NOW)
    later = NOW + timedelta(minutes=10)

    assert memory.beat("one", later) == []
    assert memory.beat("two", later + timedelta(seconds=1)) == []
    assert memory.beat("one", later + timedelta(seconds=15)) == []


def test_a_reaper_that_ends_in_order_is_not_missed(engine: Engine) -> None:
    one = alerting(engine)
    one()
    one.leave()
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT value FROM settings WHERE name = 'alerts'")
        assert orjson.loads(row.scalar_one())["reapers"] == {}


def test_a_reaper_tells_at_its_start_that_none_ran(
    engine: Engine, receiver: Receiver, start: Start
) -> None:
    make(engine)
    count(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE queue_counts SET counted_at = '2026-01-01 00:00:30'")
    reaper = start("reaper", ALERT_URLS=receiver.url)
    wait_for(lambda: told(receiver))
    reaper.stop()

    assert told(receiver)[0] == {"code": "reaper_silent", "queue": None, "is_over": False}
    assert "No reaper has worked since 2026-01-01 00:00:" in text_of(receiver.received[0])


def test_a_healthy_system_is_not_told_of(engine: Engine) -> None:
    make(engine, queue="a")
    start_worker(engine)
    count(engine)
    assert seen(engine) == []


def test_failures_above_a_rate_are_told(engine: Engine) -> None:
    make(engine, 50, retry_limit=0)
    claimed = claim(engine, 50)
    succeed(engine, *claimed[:40])
    fail(engine, *claimed[40:49])
    assert seen(engine) == []  # nine are too few to be a rate

    fail(engine, claimed[49])

    assert seen(engine) == [("failures", None)]
    assert seen(engine, failure_rate=0.3) == []


def test_a_queue_whose_oldest_task_waits_too_long_is_told_unless_it_is_paused(
    engine: Engine,
) -> None:
    let_wait(engine, "a")
    let_wait(engine, "b", 500)
    start_worker(engine)
    assert seen(engine) == [("waiting", "a")]
    with transaction(engine) as connection:
        queues.pause(connection, "a", None)

    assert seen(engine) == []


def test_a_queue_with_tasks_and_no_worker_is_told(engine: Engine) -> None:
    make(engine, queue="a")
    assert seen(engine) == [("no_worker", None)]
    start_worker(engine, takes="b")
    assert seen(engine) == [("no_worker", "a")]


def test_a_snapshot_that_stops_the_purge_is_told(engine: Engine) -> None:
    with transaction(engine) as connection:
        pressure.note(connection, Pressure(5, Snapshot(7, "ann", "10.0.0.9", 599)))
    assert seen(engine) == []
    with transaction(engine) as connection:
        pressure.note(connection, Pressure(5, Snapshot(7, "ann", "10.0.0.9", 600)))
    assert seen(engine) == [("snapshot", None)]


def test_a_stopped_dispatcher_is_no_alert_of_its_own(engine: Engine) -> None:
    start_worker(engine)
    with transaction(engine) as connection:
        dispatcher.set_running(connection, "a release", is_running=False)
    assert seen(engine) == []


def test_what_a_webhook_does_not_take_is_sent_again(engine: Engine, receiver: Receiver) -> None:
    let_wait(engine)
    start_worker(engine)
    chore = alerting(engine, receiver.url)
    receiver.answer = lambda _: Reply(503)
    with capture_logs() as logs:
        for _ in range(3):
            chore()
    assert [each["event"] for each in logs] == ["an alert was not taken; it is sent again"]
    receiver.received.clear()
    receiver.answer = lambda _: Reply()

    for _ in range(2):
        chore()

    assert told(receiver) == [{"code": "waiting", "queue": "images", "is_over": False}]


@pytest.mark.parametrize(
    ("vendor", "why"),
    [("feishu", "19021"), ("dingtalk", "310000: sign not match"), ("wecom", "93000")],
)
def test_what_a_vendor_refuses_with_status_200_is_told_without_secrets(
    engine: Engine, receiver: Receiver, vendor: str, why: str
) -> None:
    let_wait(engine)
    wrong = at_double(receiver, vendor).replace("SECabc", "SECother").replace("key=token", "key=no")
    with capture_logs() as logs:
        alerting(engine, wrong)()

    [line] = logs
    assert line["why"].startswith(why)
    assert line["to"] == f"{vendor} 127.0.0.1"
    assert not any(secret in str(logs) for secret in ("SECother", "token=", "hook/token", "key="))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Reply(302, headers={"location": "http://127.0.0.1:1/"}), "status 302"),
        (Reply(200, b"x" * (posting.MOST_ANSWER + 1)), "its answer is too long"),
        (Reply(200, b"<html>"), "an answer that is none of its vendor's"),
    ],
)
def test_odd_answers_are_refusals(
    engine: Engine, receiver: Receiver, answer: Reply, why: str
) -> None:
    let_wait(engine)
    receiver.answer = lambda _: answer
    with capture_logs() as logs:
        alerting(engine, f"wecom+{receiver.url}")()
    assert logs[0]["why"] == why
    assert len(receiver.received) == 1


def test_a_webhook_that_is_away_is_named_without_its_address(engine: Engine) -> None:
    let_wait(engine)
    with capture_logs() as logs:
        alerting(engine, "http://127.0.0.1:1/hook/token")()
    assert [(each["to"], each["why"]) for each in logs] == [("generic 127.0.0.1", "ConnectError")]


def test_many_alerts_are_one_message_that_every_vendor_takes(
    engine: Engine, receiver: Receiver
) -> None:
    for number in range(30):
        let_wait(engine, f"{'长' * 60}{number}")
    start_worker(engine)
    with capture_logs() as logs:
        alerting(engine, at_double(receiver, "wecom"))()
    assert [each["event"] for each in logs] == ["alert sent"]
    assert text_of(receiver.received[0]).endswith("…")


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("", []),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/x#secret=s", ["feishu"]),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/x", ["feishu"]),
        ("https://oapi.dingtalk.com/robot/send?x=y, http://h/", ["dingtalk", "generic"]),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x", ["wecom"]),
        ("wecom+http://proxy.lan/x", ["wecom"]),
    ],
)
def test_hosts_tell_whose_webhook_it_is(text: str, formats: list[str]) -> None:
    assert [each.format for each in alert_urls.parse(text)] == formats


@pytest.mark.parametrize(
    "text",
    [
        "hooks.example/tok",
        "ftp://h/tok",
        "slack+https://h/tok",
        "https://h/tok#tok",
        "https://h:x/tok",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the sentence is the point
        alert_urls.parse(text)
    assert "tok" not in str(caught.value)
