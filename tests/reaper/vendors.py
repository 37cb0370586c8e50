"""Doubles of the webhooks of Feishu, DingTalk and WeCom: they refuse what these would refuse.

Each answers with status 200 and says in its JSON what is wrong, as the vendors do.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.receiver import Received, Reply

SECRET = "SECabc"


def _sign(key: str, text: str) -> str:
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()


def _json(request: Received) -> Any:
    assert request.method == "POST"
    assert request.headers["content-type"].startswith("application/json")
    return orjson.loads(request.body)


def feishu(request: Received) -> Reply:
    body = _json(request)
    if request.path != "/open-apis/bot/v2/hook/token":
        return _said(code=19001, msg="param invalid: incoming webhook access token invalid")
    moment = body.get("timestamp", "0")
    if body.get("sign") != _sign(f"{moment}\n{SECRET}", ""):
        return _said(code=19021, msg="sign match fail or timestamp is not within one hour")
    assert abs(int(moment) - time.time()) < 60
    if body.get("msg_type") != "text" or not body["content"]["text"]:
        return _said(code=9499, msg="Bad Request")
    return _said(code=0, msg="success", data={})


def dingtalk(request: Received) -> Reply:
    body, query = _json(request), parse_qs(urlsplit(request.path).query)
    if query.get("access_token") != ["token"]:
        return _said(errcode=300001, errmsg="token is not exist")
    [moment] = query["timestamp"]
    assert abs(int(moment) / 1_000 - time.time()) < 60
    if query["sign"] != [_sign(SECRET, f"{moment}\n{SECRET}")]:
        return _said(errcode=310000, errmsg="sign not match")
    if body["msgtype"] != "text" or "Rowlease" not in body["text"]["content"]:
        return _said(errcode=310000, errmsg="keywords not in content")
    return _said(errcode=0, errmsg="ok")


def wecom(request: Received) -> Reply:
    body, query = _json(request), parse_qs(urlsplit(request.path).query)
    if query != {"key": ["token"]}:
        return _said(errcode=93000, errmsg="invalid webhook url")
    if body["msgtype"] != "text" or len(body["text"]["content"].encode()) > 2_048:
        return _said(errcode=40058, errmsg="text.content exceed max length 2048")
    return _said(errcode=0, errmsg="ok")


def _said(**answer: Any) -> Reply:
    return Reply(200, orjson.dumps(answer), {"content-type": "application/json"})


VENDORS: dict[str, tuple[Callable[[Received], Reply], str]] = {
    "feishu": (feishu, f"/open-apis/bot/v2/hook/token#secret={SECRET}"),
    "dingtalk": (dingtalk, f"/robot/send?access_token=token#secret={SECRET}"),
    "wecom": (wecom, "/cgi-bin/webhook/send?key=token"),
}
"""Each double, and the address at it that works."""


def text_of(request: Received) -> str:
    """Return the text of a message in any of the formats."""
    body = _json(request)
    told = body.get("content") or body["text"]
    return str(told if isinstance(told, str) else told.get("text") or told["content"])
