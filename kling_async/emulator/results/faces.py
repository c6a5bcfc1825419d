"""The faces found in a video: data, and a picture of each."""

from collections.abc import Mapping
from typing import Any

import attrs

from .pictures import PicturesResult, RenderedPicture
from .rendering.picture_spec import PictureSpec
from .result import Link


@attrs.frozen(kw_only=True)
class FacesResult:
    """A session, whose id is the result's id, with the faces of a video.

    Attributes:
        pictures: The pictures of the faces.
        spans: The period of each face in the video, first and last millisecond.
        video: The members of the `ParentVideo`, as pairs of names and values.
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
        """Returns the session, with the faces as in answers."""
        faces = [
            {"face_id": str(number), "face_image": link(name), "start_time": start, "end_time": end}
            for number, (name, (start, end)) in enumerate(zip(self.files, self.spans, strict=True))
        ]
        return {"sessions": [{"session_id": result_id, "video": dict(self.video), "face_data": faces}]}

    def placeholder(self, name: str, label: str) -> PictureSpec:
        """Returns a picture without rendering."""
        return self.pictures.placeholder(name, label)

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedPicture:
        """Returns a rendered picture."""
        return self.pictures.rendering(name, images)

    def revised(self, revision: int) -> "FacesResult":
        """Returns the same faces with another text on them."""
        return attrs.evolve(self, pictures=self.pictures.revised(revision))
