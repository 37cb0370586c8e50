"""The task type `thumbnails`: makes small copies of a picture that was uploaded.

It computes, and it reads what strangers send: so it is a `def` handler, which runs in a child
process that can be killed at its deadline, and whose crash is only one attempt's.
"""

import io

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, Field

from worker import Context, PermanentFailure, handler

MOST_PIXELS = 50_000_000


class Thumbnails(BaseModel):
    """Payload: the number of the file, and how wide the copies shall be."""

    file: int
    widths: list[int] = Field(default=[128, 512], min_length=1, max_length=10)


class Copy(BaseModel):
    """A copy: the number of its file, and its size in pixels."""

    file: int
    width: int
    height: int


class Made(BaseModel):
    """Result."""

    copies: list[Copy]


@handler("thumbnails")
def thumbnails(context: Context, payload: Thumbnails) -> Made:
    """Store a copy for each width; each one is kept with the task."""
    copies: list[Copy] = []
    path = context.fetch(payload.file)
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise PermanentFailure(f"{path.name} has more than {MOST_PIXELS:,} pixels")
            for width in payload.widths:
                copies.append(_copy(context, picture, width))
                context.progress(100 * len(copies) / len(payload.widths), f"{width} pixels")
    except UnidentifiedImageError:
        raise PermanentFailure(f"{path.name} is no picture") from None  # a retry would not help
    return Made(copies=copies)


def _copy(context: Context, picture: Image.Image, width: int) -> Copy:
    height = max(1, round(picture.height * width / picture.width))
    content = io.BytesIO()
    picture.convert("RGB").resize((width, height)).save(content, "WEBP")
    number = context.keep(
        content.getvalue(), name=f"{context.task_id}-{width}.webp", content_type="image/webp"
    )
    return Copy(file=number, width=width, height=height)
