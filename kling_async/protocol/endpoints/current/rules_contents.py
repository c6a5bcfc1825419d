"""Rules for materials: required ones, exclusions, and maximum numbers. `rules_shape` explains C1 to C32."""

from collections.abc import Iterator
from typing import Final

from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.given import Given
from kling_async.protocol.errors import Problem
from kling_async.protocol.rules.values import in_words

_OMNI_3: Final = "/omni-video/kling-3.0-omni"
_O1: Final = "/omni-video/kling-o1"

_REQUIRED: Final = {
    table.IMAGE_TO_VIDEO: ("first_frame",),
    table.OMNI_VIDEO: ("prompt",),
    table.MOTION_CONTROL: ("image", "video"),
}
_ONE: Final = ("prompt", "first_frame", "last_frame", "image", "video")
REFERENCES_MOST: Final = 7
REFERENCES_MOST_WITH_VIDEO: Final = 4
ELEMENTS_MOST_WITH_FRAMES: Final = 3


def required(given: Given) -> Iterator[Problem]:
    """C3, C26 [docs]: materials that a family requires; whether a picture needs a prompt is not documented."""
    for kind in _REQUIRED.get(given.family, ()):
        if not given.of(kind):
            name = "" if given.fields is not None else f"a {kind} "
            yield Problem(given.absent(kind), f"{name}is required")
    if given.family == table.IMAGE_TO_VIDEO and not given.of("prompt"):
        what = "is left out: whether the service makes a video from a picture alone is not known; it is sent"
        yield Problem(given.absent("prompt"), what if given.fields is not None else f"a prompt {what}", only_warns=True)


def one_of_each(given: Given) -> Iterator[Problem]:
    """C3, C6, C26 [docs]: only one of most materials is allowed."""
    for kind in _ONE:
        found = given.of(kind)
        if len(found) > 1:
            yield Problem(found[1].place, f"is a second {kind}; one is possible")


def last_frame(given: Given) -> Iterator[Problem]:
    """C6 [docs]: a last frame requires a first frame."""
    if given.of("last_frame") and not given.of("first_frame"):
        yield Problem(given.where("last_frame"), "needs a first_frame")


def counts(given: Given) -> Iterator[Problem]:
    """C10, C11, C27 [docs]: the maximum number of elements and voices of the path."""
    if given.row is None:
        return
    for kind, most in given.row.most.items():
        found = given.of(kind)
        if len(found) > most:
            what = f"is the {kind} number {len(found)}; at most {most} are possible with {given.row.model}"
            yield Problem(found[most].place, what.replace("at most 1 are", "1 is"), by_map=True)


def one_video(given: Given) -> Iterator[Problem]:
    """C12 [docs]: one video, to refer to or to edit."""
    if given.row is not None and given.row.verified and len(given.videos) > 1:
        kinds = dict.fromkeys(video.type for video in given.videos)
        what = "exclude each other; use one" if len(kinds) > 1 else "is one of several; one is possible"
        yield Problem(given.videos[1].place, f"{in_words([*kinds], 'and')} {what}")


def edits(given: Given) -> Iterator[Problem]:
    """C15, C24 [docs]: materials that an edited video excludes."""
    if given.path not in {_OMNI_3, _O1} or not given.of("base_video"):
        return
    for item in given.of("first_frame", "last_frame"):
        yield Problem(item.place, f"a {item.type} is not possible with a base_video")
    if given.path == _OMNI_3 and given.shots:
        yield Problem(given.prompt_at, "asks for several shots, which are not possible with a base_video")


def frames_of_o1(given: Given) -> Iterator[Problem]:
    """C24 [docs]: materials that a last frame excludes with kling-o1."""
    if given.path != _O1 or not given.of("last_frame"):
        return
    for item in given.of("element", "refer_image", "feature_video"):
        yield Problem(item.place, f"a {item.type} is not possible with a last_frame in kling-o1", by_map=True)


def references(given: Given) -> Iterator[Problem]:
    """C17 to C19, C25 [docs]: the number of reference pictures and elements of all kinds together."""
    if given.path not in {_OMNI_3, _O1}:
        return
    found = given.of("refer_image", "element")
    most = REFERENCES_MOST_WITH_VIDEO if given.videos else REFERENCES_MOST
    if len(found) > most:
        beside = " beside a video" if given.videos else ""
        what = f"{len(found)} pictures to refer to and elements are given; at most {most} are possible{beside}"
        yield Problem(found[most].place, what, by_map=True)
    elements = given.of("element")
    if given.path == _OMNI_3 and not given.videos and given.of("first_frame") and len(elements) > 3:
        what = (
            f"{len(elements)} elements are given; at most {ELEMENTS_MOST_WITH_FRAMES} are possible beside a first_frame"
        )
        yield Problem(elements[3].place, what, by_map=True)


def element_kinds(given: Given) -> Iterator[Problem]:
    """C17 to C19, C25 [docs]: materials that elements made from videos exclude, if all kinds are known."""
    elements = given.of("element")
    kinds = [element.kind for element in elements]
    if given.path == _O1 and "video" in kinds:
        yield Problem(elements[kinds.index("video")].place, "is made from a video; kling-o1 takes those of pictures")
    if given.path != _OMNI_3 or None in kinds or "video" not in kinds:
        return
    images = len(given.of("refer_image")) + kinds.count("image")
    first = elements[kinds.index("video")].place
    if given.videos:
        if kinds.count("video") > 1:
            yield Problem(first, f"{kinds.count('video')} elements of a video are given; 1 is possible beside a video")
        if "image" in kinds:
            yield Problem(first, "is an element of a video: beside a video it excludes those of pictures")
        if given.of("refer_image"):
            yield Problem(first, "is an element of a video: beside a video it excludes pictures to refer to")
        return
    if kinds.count("video") > 3:
        yield Problem(first, f"{kinds.count('video')} elements of a video are given; at most 3 are possible")
    if "image" in kinds and images > 4:
        what = "pictures to refer to and elements of pictures are given; at most 4 are possible beside one of a video"
        yield Problem(first, f"{images} {what}")


def element_orientation(given: Given) -> Iterator[Problem]:
    """C27 [docs]: an element requires the orientation of the video."""
    if given.path == "/motion-control/kling-3.0" and given.settings.get("character_orientation") == "image":
        for item in given.of("element"):
            yield Problem(item.place, "is possible with character_orientation video only")
