from typing import Any

import pytest

from kling_async.protocol.endpoints.videos.image_to_video import ENDPOINT, ImageToVideo
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader


def facts(width: int, height: int, *, size: int = 1000, complete: bool = True) -> ImageFacts:
    """What is known of a JPEG."""
    return ImageFacts(size=size, header=ImageHeader(format="jpeg", width=width, height=height, complete=complete))


def problems_of(images: dict[str, ImageFacts], **parameters: Any) -> list[Problem]:
    """The problems of a request whose local pictures are so."""
    return ENDPOINT.problems(ImageToVideo(**{"image": "a.jpg", "model_name": "kling-v9", **parameters}), images)


def masks(*points: tuple[int, int], count: int = 1) -> dict[str, Any]:
    """Parameters with a static mask and dynamic ones."""
    way = [{"x": x, "y": y} for x, y in points or ((1, 1), (2, 2))]
    return {"static_mask": "s.png", "dynamic_masks": [{"mask": "d.png", "trajectories": way}] * count}


@pytest.mark.parametrize(
    "known",
    [
        facts(300, 300),
        facts(750, 300),
        facts(300, 750),
        facts(20_000, 8_000),
        facts(640, 427, size=10 * 2**20),
    ],
    ids=str,
)
def test_pictures_at_the_limits_pass(known: ImageFacts) -> None:
    """300 px, 1:2.5, 2.5:1 and 10 x 2**20 bytes are allowed themselves."""
    assert problems_of({"image": known}) == []


@pytest.mark.parametrize("field", ["image", "image_tail", "static_mask", "dynamic_masks[0].mask"])
@pytest.mark.parametrize(
    ("known", "says"),
    [
        (facts(299, 400), "299 x 400 pixels; each side must have at least 300"),
        (facts(400, 299), "400 x 299 pixels; each side must have at least 300"),
        (facts(751, 300), "a ratio of 2.503:1; it must be within 1:2.5 and 2.5:1"),
        (facts(25_003, 10_000), "a ratio of 2.5003:1; it must be within 1:2.5 and 2.5:1"),
        (facts(10**9, 399_999_999), "a ratio of 2.50000001:1"),
        (facts(4000, 1300), "a ratio of 3.08:1"),
        (facts(300, 751), "it must be within 1:2.5 and 2.5:1"),
        (facts(900, 300), "a ratio of 3:1"),
        (facts(640, 427, size=10 * 2**20 + 1), "has 10485761 bytes; at most 10485760 (10 MB)"),
        (facts(640, 427, complete=False), "the JPEG file is cut off"),
        (ImageFacts(size=5, complaint="this is a WebP picture"), "this is a WebP picture"),
        (ImageFacts(size=11 * 2**20, complaint="this is a WebP picture"), "at most 10485760"),
    ],
)
def test_pictures_beyond_the_limits(field: str, known: ImageFacts, says: str) -> None:
    """Size, sides, ratio, format and completeness hold for every picture, each named by its field path."""
    found = problems_of({field: known}, image_tail="t.jpg", **masks())
    own = [problem for problem in found if problem.field == field and says in problem.message]
    assert [(problem.by_map, problem.missing_file) for problem in own] == [(False, None)]


def test_one_picture_may_have_several_problems() -> None:
    """A tiny, flat and cut-off picture of too many bytes has four problems."""
    assert len(problems_of({"image": facts(100, 10, size=2**30, complete=False)})) == 4


def test_a_missing_file_is_marked() -> None:
    """The problem is marked as a missing file, so that the error can be a FileNotFoundError."""
    found = problems_of({"image": ImageFacts(complaint="there is no file 'a.jpg'", missing_file=True)})
    assert found == [Problem("image", "there is no file 'a.jpg'", missing_file="image")]


def test_addresses_are_not_looked_into() -> None:
    """A picture at an address passes: the service fetches it."""
    assert problems_of({"image": facts(1, 1)}, image="https://example.com/a.jpg") == []


# ------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize(
    ("image", "mask"),
    [((640, 427), (640, 427)), ((1280, 854), (640, 427)), ((1001, 667), (500, 333)), ((500, 333), (1001, 667))],
)
def test_masks_of_the_images_ratio_pass(image: tuple[int, int], mask: tuple[int, int]) -> None:
    """A mask has the image's size, or is the image scaled and rounded to whole pixels."""
    known = {"image": facts(*image), "static_mask": facts(*mask), "dynamic_masks[0].mask": facts(*mask)}
    assert problems_of(known, **masks()) == []


@pytest.mark.parametrize("mask", [(640, 428), (642, 427), (427, 640), (400, 400)])
@pytest.mark.parametrize("field", ["static_mask", "dynamic_masks[0].mask"])
def test_masks_of_another_ratio(field: str, mask: tuple[int, int]) -> None:
    """A mask of another ratio than the image's is refused."""
    found = problems_of({"image": facts(640, 427), field: facts(*mask)}, **masks())
    assert [problem.field for problem in found] == [field]
    assert f"the mask is {mask[0]} x {mask[1]}, the image 640 x 427" in found[0].message


def test_half_a_pixel_is_another_ratio() -> None:
    """Of masks as large as the image, one pixel less on a square is not rounding."""
    (found,) = problems_of({"image": facts(1000, 1000), "static_mask": facts(1000, 999)}, **masks())
    assert found.field == "static_mask"


def test_masks_have_one_resolution() -> None:
    """All masks of a request have the same size, whatever is known of the image."""
    known = {
        "static_mask": facts(640, 427),
        "dynamic_masks[0].mask": facts(640, 427),
        "dynamic_masks[1].mask": facts(1280, 854),
        "dynamic_masks[2].mask": ImageFacts(complaint="broken"),
    }
    found = problems_of(known, **masks(count=3))
    assert [problem.field for problem in found] == ["dynamic_masks[2].mask", "dynamic_masks[1].mask"]
    assert "the mask is 1280 x 854, static_mask is 640 x 427" in found[1].message


def test_points_lie_in_the_image() -> None:
    """Points outside of a known image are refused, the first one named; the edges belong to it."""
    known = {"image": facts(640, 427)}
    assert problems_of(known, **masks((0, 0), (640, 427))) == []
    (wide,) = problems_of(known, **masks((0, 0), (641, 0), (9999, 0)))
    assert wide.field == "dynamic_masks[0].trajectories[1]"
    assert "lies outside of the image (640 x 427), as do 1 further points" in wide.message
    (high,) = problems_of(known, **masks((0, 428), (0, 0)))
    assert high.field == "dynamic_masks[0].trajectories[0]"
    assert problems_of({}, **masks((0, 0), (9999, 9999))) == []
    assert problems_of({"image": facts(640, 427)}, **masks((-1, 0), (0, 0)))[0].field.endswith("[0].x")
