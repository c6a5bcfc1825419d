"""The result of endpoints that make elements: data and pictures."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from .pictures import RenderedPicture
from .rendering.picture_spec import PictureSpec, side_by_side
from .result import Link
from .voices import OWNER

_TAGS: Final = {
    "o_101": "Hottest",
    "o_102": "Character",
    "o_103": "Animal",
    "o_104": "Item",
    "o_105": "Costume",
    "o_106": "Scene",
    "o_107": "Effect",
    "o_108": "Others",
}


@attrs.frozen(kw_only=True)
class View:
    """One of the pictures of an element.

    Attributes:
        image: The member of the request that contains it, "" if there is no image to show.
        width: Pixels.
        height: Pixels.
    """

    image: str
    width: int
    height: int


@attrs.frozen(kw_only=True)
class ElementResult:
    """One element, whose id is the result's id as a number.

    Attributes:
        name: Its name.
        description: Its description.
        views: Its pictures, the frontal one first; empty if it is made from a video.
        video_url: The video that it is made from, or "".
        voice: The voice bound to it, as pairs of members and values; empty if there is none.
        tags: Ids of its tags.
        owner: Its owner.
    """

    name: str
    description: str
    views: tuple[View, ...] = ()
    video_url: str = ""
    voice: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    owner: str = OWNER

    @property
    def files(self) -> Mapping[str, str]:
        """Its pictures."""
        return {f"view-{number}": ".png" for number in range(len(self.views))}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the first picture."""
        return (self.views[0].width, self.views[0].height) if self.views else (0, 0)

    def task_result(self, result_id: str, link: Link) -> dict[str, Any]:
        """Returns the element as in answers. The items of its lists are not documented: they are as in requests."""
        images: dict[str, Any] = {}
        if self.views:
            front, *others = (link(name) for name in self.files)
            images = {"frontal_image": front, "refer_images": [{"image_url": each} for each in others]}
        element = {
            "element_id": int(result_id),
            "element_name": self.name,
            "element_description": self.description,
            "reference_type": "video_refer" if self.video_url else "image_refer",
            "element_image_list": images,
            "element_video_list": {"refer_videos": [{"video_url": self.video_url}]} if self.video_url else {},
            "element_voice_info": dict(self.voice),
            "tag_list": [{"id": tag, "name": _TAGS[tag], "description": _TAGS[tag].lower()} for tag in self.tags],
            "owned_by": self.owner,
            "status": "succeed",
        }
        return {"elements": [element]}

    def placeholder(self, name: str, label: str) -> PictureSpec:
        """Returns a card with the name."""
        return attrs.evolve(self._view(name), label=label, images=())

    def rendering(self, name: str, images: Mapping[str, str]) -> RenderedPicture:
        """Returns the submitted picture, with the name on it."""
        return RenderedPicture(self._view(name).with_images(images))

    def revised(self, revision: int) -> "ElementResult":
        """Returns the same element with other pictures."""
        return attrs.evolve(self, name=f"{revision} {self.name}")

    def _view(self, name: str) -> PictureSpec:
        view = self.views[int(name.removeprefix("view-"))]
        images = side_by_side([view.image] if view.image else [], view.width, view.height)
        return PictureSpec(
            width=view.width, height=view.height, title=f"element {name}", prompt=self.name, images=images
        )
