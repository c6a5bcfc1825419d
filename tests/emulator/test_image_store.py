import hashlib
from pathlib import Path
from typing import Any

import attrs
import pytest

from kling_async.emulator.results import image_header
from kling_async.emulator.results.image_store import DAMAGED_MESSAGE, ImageStore, MissingImageError
from kling_async.emulator.results.rendering.camera import Camera
from kling_async.emulator.results.rendering.spec import BY_URL, TOO_LARGE, Brush, RenderSpec
from kling_async.emulator.results.videos import RenderedVideo
from kling_async.emulator.service.endpoint import AcceptedRequest
from kling_async.emulator.service.endpoints.image2video import ENDPOINT

from .conftest import base64_png, png


def taken(store: ImageStore, **parameters: Any) -> AcceptedRequest:
    """Returns a request whose images are stored."""
    body = {"model_name": "kling-v2-6", "image": base64_png()} | parameters
    return store.take(ENDPOINT.pictures(body), ENDPOINT.accept(body))


def names(request: AcceptedRequest) -> list[str]:
    """Returns the names of its stored images."""
    return list(request.images.values())


def test_an_image_is_kept_by_its_content(tmp_path: Path) -> None:
    """The same image is stored once, under the same name, byte for byte."""
    store = ImageStore(tmp_path, None)
    first, second = taken(store), taken(store, prompt="again")

    assert first.images == second.images == {"image": hashlib.sha256(png()).hexdigest()}
    assert len(list(tmp_path.iterdir())) == 1
    assert store.load(first.images["image"]) == png()


def test_old_images_make_room(tmp_path: Path) -> None:
    """Beyond the limit the least recently submitted image is removed, and loading it raises an error."""
    store = ImageStore(tmp_path, None, limit=2 * len(png()) + 50)
    one, two = names(taken(store)), names(taken(store, image=base64_png(641)))
    taken(store)
    names(taken(store, image=base64_png(642)))

    assert store.load(one[0]) == png()
    with pytest.raises(MissingImageError):
        store.load(two[0])


def test_an_image_larger_than_the_limit_is_kept(tmp_path: Path) -> None:
    """The latest image is kept, even if it exceeds the limit."""
    store = ImageStore(tmp_path, None, limit=1)

    assert store.load(names(taken(store))[0]) == png()


def test_images_by_url_are_not_fetched(tmp_path: Path) -> None:
    """An image by URL is recorded, and not stored."""
    assert taken(ImageStore(tmp_path, None), image="https://example.com/a.png").images == {"image": BY_URL}
    assert not list(tmp_path.iterdir())


def test_too_many_pixels_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that would take too much memory is recorded without being decoded."""
    monkeypatch.setattr(image_header, "MAX_PIXELS", 640 * 360 - 1)

    def never(_data: bytes) -> None:
        raise AssertionError

    assert taken(ImageStore(tmp_path, never)).images == {"image": TOO_LARGE}


def test_damage_is_found_once(tmp_path: Path) -> None:
    """Each image is decoded when it is first submitted; a damaged one makes the task fail."""
    seen = []

    def check(data: bytes) -> None:
        seen.append(data)
        if data == png(641):
            raise ValueError

    store = ImageStore(tmp_path, check)
    fine, again, broken = taken(store), taken(store), taken(store, image=base64_png(641))

    assert (fine.damage, again.damage, broken.damage) == ("", "", DAMAGED_MESSAGE)
    assert seen == [png(), png(641)]


def spec_of(request: AcceptedRequest, name: str) -> RenderSpec:
    """Returns the spec of a result file of a request."""
    rendering = request.result.rendering(name, request.images)
    assert isinstance(rendering, RenderedVideo)
    return rendering.spec


def test_a_shot_follows_the_request(tmp_path: Path) -> None:
    """Size, rate, length, camera, sound and caption are taken from the request."""
    camera = {"type": "simple", "config": {"tilt": -4}}
    request = taken(
        ImageStore(tmp_path, None),
        model_name="kling-v1-5",
        mode="pro",
        prompt="Café\n au  lait 猫",
        camera_control=camera,
        image=base64_png(400, 800),
    )
    made = spec_of(request, "watermark")

    assert (made.width, made.height, made.fps, made.seconds) == (1080, 2160, 30, 5)
    assert (made.title, made.prompt) == ("kling-v1-5 pro", "Cafe au lait 猫")
    assert (made.camera, made.watermark, made.sound) == (Camera(kind="simple", axis="tilt", value=-4), True, False)
    assert made.image == request.images["image"]


def test_a_shot_has_tail_and_masks(tmp_path: Path) -> None:
    """A tail is the last frame, a tail alone reverses the camera; trajectories are in widths of the image."""
    store = ImageStore(tmp_path, None)
    pair = {"model_name": "kling-v1-6", "mode": "pro", "image_tail": base64_png(641)}
    trajectory = [{"x": 64, "y": 32}, {"x": 320, "y": 160}]
    brushed = taken(
        store,
        model_name="kling-v1",
        static_mask=base64_png(),
        dynamic_masks=[{"mask": base64_png(), "trajectories": trajectory}],
    )
    both, alone = (spec_of(taken(store, **pair | image), "plain") for image in ({}, {"image": None}))
    masked = spec_of(brushed, "plain")

    name = hashlib.sha256(png()).hexdigest()
    assert (both.tail, both.backwards) == (hashlib.sha256(png(641)).hexdigest(), False)
    assert (alone.image, alone.tail, alone.backwards) == (both.tail, "", True)
    assert masked.brushes == (Brush(mask=name, points=((0.1, 0.05), (0.5, 0.25))),)
    assert (masked.static_mask, masked.camera) == (name, Camera(kind="brush"))


def test_each_detail_makes_another_shot(tmp_path: Path) -> None:
    """Two shots are equal only if all parameters of the picture are."""
    made = spec_of(taken(ImageStore(tmp_path, None)), "plain")

    assert made == attrs.evolve(made)
    assert len({made, attrs.evolve(made, sound=True), attrs.evolve(made, prompt="x")}) == 3
