"""Files in S3, over HTTP, by the real driver."""

from collections.abc import Iterator

import httpx2
import pytest
from s3fs import S3FileSystem
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.main import build
from schema.runtime.files import open_store
from schema.runtime.settings import Settings, SettingsError
from tests.api.requests import local_client, problem
from tests.processes import Start
from tests.s3 import KEY

CONTENT = bytes(range(256)) * 9_000


def settings_of(database_url: str, files_url: str) -> Settings:
    return Settings(database_url=database_url, files_url=files_url)


@pytest.fixture
def client(engine: Engine, database_url: str, bucket: str) -> Iterator[TestClient]:  # noqa: ARG001  # empties the tables
    with local_client(build(lambda: settings_of(database_url, bucket))) as one:
        yield one


@pytest.fixture
def wrong_key(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """S3 looks at keys, and has never heard of this one."""
    httpx2.post(f"{s3}/moto-api/reset-auth", content=b"0").raise_for_status()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "WRONG")
    S3FileSystem.clear_instance_cache()
    yield
    httpx2.post(f"{s3}/moto-api/reset-auth", content=b"100000000").raise_for_status()
    S3FileSystem.clear_instance_cache()


def names(bucket: str) -> list[str]:
    """Return what lies in the bucket."""
    found = S3FileSystem(use_listings_cache=False).find(bucket)
    return [path.rpartition("/")[2] for path in found]


def test_a_file_goes_there_and_back_and_away(client: TestClient, bucket: str) -> None:
    first = client.post("/files", files={"file": ("a.bin", CONTENT)})
    again = client.post("/files", files={"file": ("b.bin", CONTENT)})

    assert (first.status_code, again.status_code) == (201, 200)
    told = first.json()
    assert again.json()["id"] == told["id"]
    assert names(bucket) == [told["sha256"]]
    path = f"/files/{told['id']}"
    assert client.get(path).content == CONTENT
    assert client.get(path, headers={"range": "bytes=300-309"}).content == CONTENT[300:310]
    assert client.delete(path).status_code == 204
    assert names(bucket) == []
    assert client.get(path).status_code == 404


def test_an_upload_that_is_cut_off_leaves_nothing(client: TestClient, bucket: str) -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + CONTENT

    answer = client.post(
        "/files", content=body, headers={"content-type": "multipart/form-data; boundary=B"}
    )

    assert answer.status_code == 400
    assert names(bucket) == []


@pytest.mark.parametrize("name", ["missing", "wrong key"])
def test_a_store_that_refuses_is_a_503(
    engine: Engine,  # noqa: ARG001  # empties the tables
    database_url: str,
    bucket: str,
    request: pytest.FixtureRequest,
    name: str,
) -> None:
    if name == "wrong key":
        request.getfixturevalue("wrong_key")
    url = "s3://no-such-bucket/x" if name == "missing" else bucket

    with local_client(build(lambda: settings_of(database_url, url))) as client:
        answer = client.post("/files", files={"file": ("a", b"1")})

    problem(answer, 503, "files_away")


def test_a_bucket_that_is_not_there_is_told_at_the_start(start: Start, s3: str) -> None:  # noqa: ARG001
    modules = ("api", "worker", "reaper")
    processes = [start(module, FILES_URL="s3://no-such-bucket/x") for module in modules]

    for process in processes:
        assert process.wait(60) == 2
        [told] = process.errors.read_text().splitlines()
        assert "FILES_URL (s3: no-such-bucket/x)" in told
        assert "bucket does not exist" in told


def test_a_wrong_key_is_told_at_the_start(
    database_url: str,
    bucket: str,
    wrong_key: None,  # noqa: ARG001
) -> None:
    with pytest.raises(SettingsError, match=r"FILES_URL .*Access Key Id") as caught:
        open_store(settings_of(database_url, bucket))

    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_store_that_does_not_answer_holds_up_no_start(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    S3FileSystem.clear_instance_cache()
    monkeypatch.setattr("schema.runtime.files.LOOK_SECONDS", 0.1)

    open_store(settings_of(database_url, "s3://bucket/x"))

    S3FileSystem.clear_instance_cache()
