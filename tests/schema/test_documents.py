"""JSON documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from schema.documents import MAX_DEPTH, DocumentError, decode, encode
from tests.rows import rows


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "NaN"),
        ({"a": [float("inf")]}, "infinite"),
        (2**64, "64-bit"),
        (-(2**63) - 1, "64-bit"),
        ("\ud800", "surrogates"),
        ({"\ud800": 1}, "surrogates"),
        (nested(MAX_DEPTH + 1), "deeper than 30"),
        ({"k" * 20_000: 1}, "key"),
        (object(), "not JSON serializable"),
        ({1: 2}, "str"),
        ("x" * 200, "at most 100"),
    ],
    ids=str,
)
def test_what_a_server_would_change_or_refuse_is_refused(value: Any, why: str) -> None:
    limit = 100 if value == "x" * 200 else 1_000_000
    with pytest.raises(DocumentError, match=why):
        encode(value, max_bytes=limit)


def test_the_deepest_document_is_stored_by_both_servers(engine: Engine) -> None:
    text = encode(nested(MAX_DEPTH), max_bytes=1_000)

    found = rows(engine, f"SELECT JSON_VALID('{text}') AS valid, JSON_DEPTH('{text}') AS depth")

    assert found == [{"valid": 1, "depth": MAX_DEPTH + 1}]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5).filter(str.isascii), inner),
    max_leaves=20,
)


@given(json_values)
def test_a_document_decodes_to_what_was_encoded(value: Any) -> None:
    assert decode(encode(value, max_bytes=10_000_000)) == value
