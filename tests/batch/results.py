"""Results of rows for the tests of the report."""

from pathlib import Path
from typing import Any

from kling_async import ImageToVideo
from kling_async.batch.result import RowResult, RowStatus
from kling_async.batch.row import Row

OUT = Path("/batch/out")


def row(id: str = "cat", *pictures: str, **members: Any) -> Row:  # noqa: A002  (named after the field)
    """A row of a video made from a picture."""
    request = ImageToVideo("cat.png", **{"prompt": "slow push in", **members})
    return Row(id=id, endpoint="image_to_video", request=request, pictures=pictures)


def result(id: str = "cat", status: RowStatus = RowStatus.DONE, **members: Any) -> RowResult:  # noqa: A002  (named after the field)
    """The result of a row."""
    return RowResult(id=id, status=status, **members)
