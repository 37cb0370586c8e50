"""Files, by both clients."""

import asyncio
from pathlib import Path

import pytest

from rowlease import AsyncClient, Client, Conflict, Invalid, NotFound
from tests.client.scripted import Answer, ScriptedServer

CONTENT = bytes(range(256)) * 100


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "图.png"
    path.write_bytes(CONTENT)
    return path


def test_a_file_goes_up_and_comes_down(client: Client, picture: Path, tmp_path: Path) -> None:
    up = client.files.upload(picture)
    renamed = client.files.upload(str(picture), name="b.txt")

    assert (up.name, up.content_type, up.size_bytes) == ("图.png", "image/png", len(CONTENT))
    assert renamed.id == up.id
    assert client.files.get(up.id).sha256 == up.sha256
    target = tmp_path / "copy"
    assert client.files.download(up.id, target) == target
    assert target.read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {picture.name, "copy"}


def test_the_other_client_does_the_same(url: str, picture: Path, tmp_path: Path) -> None:
    async def there_and_back() -> bytes:
        async with AsyncClient(url) as client:
            up = await client.files.upload(picture, content_type="x/y")
            assert up.content_type == "x/y"
            return (await client.files.download(up.id, tmp_path / "copy")).read_bytes()

    assert asyncio.run(there_and_back()) == CONTENT


def test_a_file_in_use_is_a_conflict_and_none_at_all_is_not_found(
    client: Client, picture: Path, tmp_path: Path
) -> None:
    up = client.files.upload(picture)
    task = client.tasks.create(title="a", payload={"file": up.id})

    with pytest.raises(Conflict) as caught:
        client.files.delete(up.id)
    assert caught.value.problem["task_ids"] == [task.id]
    client.tasks.delete(task.id)
    client.files.delete(up.id)
    with pytest.raises(NotFound):
        client.files.download(up.id, tmp_path / "copy")
    with pytest.raises(Invalid, match="there is no file"):
        client.tasks.create(title="a", payload={"file": up.id})
    assert {path.name for path in tmp_path.iterdir()} == {picture.name}


def test_an_upload_is_sent_again_whole(
    scripted: ScriptedServer, pauses: list[float], picture: Path
) -> None:
    known = {
        "id": 7,
        "name": "a",
        "content_type": "x/y",
        "size_bytes": 1,
        "sha256": "0",
        "created_at": "2026-01-01T00:00:00Z",
        "last_used_at": None,
    }
    scripted.will(Answer(503, {}, {"retry-after": "1"}), Answer(201, known))

    with Client(scripted.url) as client:
        assert client.files.upload(picture).id == 7

    assert len(pauses) == 1
    first, second = scripted.seen
    assert CONTENT in first.body
    assert first.body == second.body
