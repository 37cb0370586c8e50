"""The handlers of the example application, without a database."""

import io

import pytest
from PIL import Image

from examples.thumbnails import thumbnails
from worker.testing import perform


def picture(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGBA", (width, height), "teal").save(content, "PNG")
    return content.getvalue()


def test_a_picture_is_copied_in_each_width() -> None:
    done = perform(thumbnails, {"file": 5, "widths": [100, 50]}, files={5: picture(400, 200)})

    assert [(copy["width"], copy["height"]) for copy in done.result["copies"]] == [
        (100, 50),
        (50, 25),
    ]
    for copy in done.result["copies"]:
        with Image.open(io.BytesIO(done.kept[copy["file"]].content)) as kept:
            assert (kept.format, kept.size) == ("WEBP", (copy["width"], copy["height"]))
    assert [told.percent for told in done.progress] == [50, 100]


def test_what_is_no_picture_is_not_tried_again() -> None:
    refused = perform(thumbnails, {"file": 5}, files={5: b"not a picture"})

    assert refused.failure.error_class == "PermanentFailure"
    assert "is no picture" in refused.failure.message


def test_too_large_a_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.thumbnails.MOST_PIXELS", 10)

    refused = perform(thumbnails, {"file": 5}, files={5: picture(4, 3)})

    assert "pixels" in refused.failure.message
