"""The faces that were found in a video: data, and a picture of each."""

from collections.abc import Mapping
from typing import Any

import attrs

from .pictures import PicturesResult, RenderedPicture
from .rendering.picture_spec import PictureSpec
from .result import Link


@attrs.frozen(kw_only=True)
class FacesResult:
    """A session, whose id is that of the result, with the faces of a video.

    Attributes:
        pictures: What the faces look like.
        spans: When each is seen, first and last millisecond.
        video: What the video is, as pairs of members and values.
    """

    pictures: PicturesResult
    spans: tuple[tuple[int, int], ...]
    video: tuple[tuple[str, str], ...]

    @property
    def files(self) -> Mapping[str, str]:
        """The pictures."""
        return self.pictures.files

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of a picture."""
        return self.pictures.size

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Give the session, with the faces as answers have them."""
        faces = [
            {"face_id": str(number), "face_image": link(name), "start_time": start, "end_time": end}
            for number, (name, (start, end)) in enumerate(zip(self.files, self.spans, strict=True))
        ]
        return {"sessions": [{"session_id": result_id, "video": dict(self.video), "face_data": faces}]}

    def placeholder(self, name: str, label: str) -> PictureSpec:
        """Give a picture."""
        return self.pictures.placeholder(name, label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedPicture:
        """Give the same one."""
        return self.pictures.rendering(name, images)

    def revised(self, revision: int) -> "FacesResult":
        """Give the same faces with other words on them."""
        return attrs.evolve(self, pictures=self.pictures.revised(revision))
