"""What all pages have in common: headers, assets, words, errors."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from starlette.testclient import TestClient

from api.ui import assets
from api.ui.router import ROUTES
from tests.rows import make
from tools import words

VENDOR = Path(assets.__file__).parent / "vendor"


def test_the_root_leads_to_the_dashboard(client: TestClient) -> None:
    response = client.get("/", follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (307, "/ui/")


def test_a_page_runs_no_script_and_takes_no_style_but_ours(client: TestClient) -> None:
    response = client.get("/ui/login")

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "unsafe" not in response.headers["content-security-policy"]
    assert response.headers["content-security-policy"].startswith("default-src 'none';")
    assert response.headers["cache-control"] == "no-store"
    assert " style=" not in response.text
    assert not re.search(r"<script(?![^>]* src=)", response.text)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", response.text)


def test_what_pages_load_is_kept_for_ever_under_the_hash_of_its_content(client: TestClient) -> None:
    for asset in assets.ASSETS.values():
        response = client.get(asset.path)

        assert response.content == asset.content
        assert hashlib.sha256(asset.content).hexdigest()[:16] in asset.path
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-type"] == asset.media_type


def test_an_asset_of_another_release_is_not_found(client: TestClient) -> None:
    assert client.get("/ui/assets/0000000000000000/style.css").status_code == 404


def test_a_page_that_is_not_there_says_so_as_a_page(client: TestClient) -> None:
    response = client.get("/ui/nothing", headers={"accept-language": "zh-CN"})

    assert response.status_code == 404
    assert "此地址上没有任何内容" in response.text
    assert '<html lang="zh-CN"' in response.text


@pytest.mark.parametrize(
    ("query", "cookie", "header", "shown"),
    [
        ("", "", "", "en"),
        ("", "", "zh-CN,zh;q=0.9", "zh-CN"),
        ("", "lang=en", "zh-CN", "en"),
        ("?lang=zh", "lang=en", "en", "zh-CN"),
        ("?lang=xx", "lang=xx", "zh", "zh-CN"),
    ],
)
def test_the_language_is_asked_for_or_kept_or_the_browsers(
    client: TestClient, query: str, cookie: str, header: str, shown: str
) -> None:
    headers = {"cookie": cookie, "accept-language": header}

    response = client.get(f"/ui/login{query}", headers=headers)

    assert f'<html lang="{shown}"' in response.text
    assert response.headers["content-language"] == shown
    client.cookies.clear()


def test_pages_are_no_part_of_the_apis_description() -> None:
    assert not [route for route in ROUTES if isinstance(route, APIRoute)]


def test_the_longest_list_weighs_less_than_200_kb(client: TestClient, engine: Engine) -> None:
    for number in range(5):
        make(engine, 100, title=f"a title of usual length, {number}", tags=["one", "another"])
    whole = client.get("/ui/tasks?limit=500")
    packed = gzip.compress(whole.content, 4)

    assert whole.text.count("data-row") == 500
    weight = len(packed) + sum(len(asset.compressed) for asset in assets.ASSETS.values())
    assert weight < 200_000, weight


def test_everything_that_pages_say_is_in_the_catalogue_and_has_chinese() -> None:
    kept, fresh = words.kept(), words.updated(words.kept())

    assert [each.id for each in kept] == [each.id for each in fresh], "run python -m tools.words"
    assert not [each.id for each in kept if each.id and not all(_strings(each.string))]
    assert words.MO.read_bytes() == words.compiled(kept), "run python -m tools.words"


def test_translations_keep_the_places_for_values() -> None:
    with words.PO.open("rb") as file:
        catalogue = read_po(file)
    for message in catalogue:
        english = message.id if isinstance(message.id, str) else message.id[-1]
        for string in _strings(message.string) if english else ():
            assert set(_places(string)) == set(_places(english)), english


def test_vendored_files_are_those_that_versions_names() -> None:
    listed = (VENDOR / "VERSIONS").read_text()
    named = dict(re.findall(r"sha256-([0-9a-f]{64}) (\S+)", listed))
    files = {
        str(file.relative_to(VENDOR))
        for file in VENDOR.rglob("*")
        if file.is_file() and file.name not in {"VERSIONS", "LICENSE"}
    }

    assert set(named.values()) == files
    for digest, name in named.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        assert (VENDOR / name).with_name("LICENSE").is_file()


def _strings(string: object) -> list[str]:
    return [string] if isinstance(string, str) else list(string)  # type: ignore[call-overload]


def _places(sentence: str) -> list[str]:
    return re.findall(r"%\(\w+\)s|\{\w+\}|%%", sentence)
