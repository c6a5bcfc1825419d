from pathlib import Path
from typing import Any

import pytest

from kling_async.emulator.results.pictures import PicturesResult
from kling_async.emulator.results.rendering import caption, frames
from kling_async.emulator.results.rendering.picture_spec import PictureSpec, Placed, side_by_side
from kling_async.emulator.results.rendering.spec import BY_URL
from kling_async.emulator.results.result import Result

from .cards import BLUE, RED, card

LABEL = "867283741759110000"
FILES = {"red": card((0.5, 0.5, RED), size=(400, 300), radius=40), "blue": card((0.5, 0.5, BLUE), size=(300, 300))}


def pictures(prompt: str = "a cat", size: tuple[int, int] = (1360, 768), **changes: Any) -> PicturesResult:
    """Returns a result of two pictures."""
    spec = PictureSpec(width=size[0], height=size[1], title="kling-v3 1k", prompt=prompt)
    arguments: dict[str, Any] = {"spec": spec, "count": 2, "watermark": False}
    return PicturesResult(**arguments | changes)


def made(result: Result, name: str, label: str = LABEL) -> bytes:
    """Returns a file without rendering."""
    return result.placeholder(name, label).make()


def rendered(result: Result, name: str, folder: Path, images: dict[str, str] | None = None) -> bytes:
    """Returns a rendered file."""
    target = folder / "made"
    result.rendering(name, images or {}).make(FILES.__getitem__, target, lambda: False)
    return target.read_bytes()


def colours(content: bytes) -> Any:
    """Returns a function that returns red, green and blue of a picture's pixel."""
    frame = frames.filtered(frames.decode(content), "format=rgb24")
    rows = frames.rows(frame, 3)
    return lambda x, y: tuple(rows[y][3 * x : 3 * x + 3])


@pytest.mark.parametrize("size", [(1360, 768), (3072, 5440), (300, 750), (301, 333)])
def test_a_picture_is_a_png_of_the_requested_size(size: tuple[int, int]) -> None:
    """A strict decoder decodes a picture of the size."""
    frame = frames.decode(made(pictures(size=size), "image-1"))

    assert (frame.width, frame.height) == size


def test_a_picture_shows_the_prompt() -> None:
    """The prompt is in the middle, letter by letter, and "EMULATED" with the number of the picture at the top."""
    colour = colours(made(pictures("a cat"), "image-0"))

    labels = [caption.title("a cat", 1360, 768), caption.caption(1360, 768, "kling-v3 1k  1/2", LABEL)]
    for label in labels:
        places = [(x, y) for x in range(1, label.width, 3) for y in range(1, label.height, 3)]
        inked = [label.rgba[4 * (y * label.width + x) + 3] > 200 for x, y in places]
        assert any(inked)
        assert [min(colour(label.left + x, label.top + y)) > 200 for x, y in places] == inked


def test_pictures_differ() -> None:
    """Pictures differ by number, task, prompt and watermark, which is in the corner only."""
    marked = pictures(watermark=True)
    names = list(marked.files)
    files = {made(marked, name, label) for name in names for label in (LABEL, LABEL[::-1])}
    plain, stamped = (colours(made(marked, name)) for name in names[:2])

    assert names == ["image-0", "image-0-watermark", "image-1", "image-1-watermark"]
    assert len(files | {made(pictures("a dog"), "image-0")}) == 9
    assert made(marked, "image-0") == made(marked, "image-0")
    changed = [(x, y) for x in range(0, 1360, 3) for y in range(0, 768, 3) if plain(x, y) != stamped(x, y)]
    assert min(x for x, _ in changed) > 1000
    assert min(y for _, y in changed) > 600


def test_a_submitted_image_is_in_the_picture(tmp_path: Path) -> None:
    """A submitted image fills exactly its place, with the prompt over it; both depend on the request only."""
    place = Placed(image="image", left=400, top=200, width=400, height=300)
    spec = PictureSpec(width=1360, height=768, prompt="a cat", images=(place,))
    result = pictures(spec=spec)
    content = rendered(result, "image-0", tmp_path, {"image": "red"})
    colour, ground = colours(content), colours(result.placeholder("image-0", "").ground())

    assert (colour(600, 350)[0] > 200, max(colour(600, 350)[1:]) < 60) == (True, True)
    assert colour(402, 498) == pytest.approx((90, 90, 90), abs=12)
    assert colour(600, 560) == pytest.approx(ground(600, 560), abs=12)
    assert max(colour(x, y)[0] for x in range(9, 99) for y in range(9, 60)) > 240
    assert content == rendered(pictures(spec=spec), "image-0", tmp_path, {"image": "red"})


def test_an_image_given_by_url_leaves_a_notice(tmp_path: Path) -> None:
    """An image that is not fetched has a place, with a notice in it."""
    spec = PictureSpec(width=640, height=360, images=side_by_side(["image"], 640, 360))
    colour = colours(rendered(pictures(spec=spec), "image-0", tmp_path, {"image": BY_URL}))

    assert max(min(colour(x, y)) for x in range(640) for y in range(150, 210)) > 180


def test_several_images_are_side_by_side() -> None:
    """Images fill the picture in rows and columns, none over another."""
    assert side_by_side([], 100, 100) == ()
    for count in range(1, 11):
        places = side_by_side(["x"] * count, 1360, 768)
        assert len(places) == count
        covered = [(x, y) for p in places for x in range(p.left, p.left + p.width, 2) for y in (p.top, p.top + 2)]
        assert len(set(covered)) == len(covered)
        assert max(p.left + p.width for p in places) == 1360
        assert max(p.top + p.height for p in places) == 768


def test_without_images_rendering_changes_nothing(tmp_path: Path) -> None:
    """A picture from a prompt alone needs no extra: it is the same card, without the task's number."""
    assert rendered(pictures(), "image-0", tmp_path) == made(pictures(), "image-0", "")
