"""Records of the current generation: what they are given, what they send, and what their problems are called."""

import base64
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import kling_async
from kling_async import Element, Estimate, Video, Voice, current, estimate
from kling_async.protocol.catalog import endpoint_named, endpoint_of
from kling_async.protocol.endpoint import Endpoint, Generation
from kling_async.protocol.endpoints.current import table
from kling_async.protocol.endpoints.current.request import CurrentRequest, compose
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image import Image
from kling_async.protocol.media.image_header import ImageFacts, ImageHeader
from kling_async.protocol.reference import Reference
from kling_async.protocol.rules.files import Facts, files_of
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.codec import to_wire
from tests.protocol.picture_files import png

CAT = "https://files.example/cat.png"
CLIP = "https://files.example/walk.mp4"


def endpoint(request: CurrentRequest) -> Endpoint:
    """Whose request it is."""
    found = endpoint_of(request)
    assert found is not None
    return found


def problems(request: CurrentRequest, facts: Facts | None = None) -> list[Problem]:
    """All that is wrong with a request."""
    return endpoint(request).problems(request, facts or {})


def refused(request: CurrentRequest) -> dict[str, str]:
    """What is refused, by field."""
    return {problem.field: problem.message for problem in problems(request) if not problem.only_warns}


def test_how_an_endpoint_is_found() -> None:
    """All have the same name, which finds the path for queries; the request determines the path of a create."""
    request = current.ImageToVideo(CAT, model="kling-3.0-turbo", resolution="1080p")
    found, general = endpoint(request), endpoint_named("tasks")
    assert general is not None
    assert (found.name, found.generation, found.path) == ("tasks", Generation.CURRENT, "/image-to-video")
    assert found.path_of(request) == "/image-to-video/kling-3.0-turbo"
    assert (general.name, general.generation, general.path) == ("tasks", Generation.CURRENT, "/tasks")
    assert found.line_of(request) == "kling-3.0-turbo"
    assert found.kind_of(request) == "tasks/image-to-video/kling-3.0-turbo/1080p"
    assert endpoint_of(kling_async.ImageToVideo(CAT)) is not found


@pytest.mark.parametrize("odd", [5, "x", [], {}, True])
def test_what_is_only_warned_of_can_be_sent(odd: Any) -> None:
    """With a model that is not known a setting of another type passes, all the way to what goes out."""
    request = current.TextToVideo("a", model="kling-9", resolution=odd, duration=odd, audio=odd)
    found = endpoint(request)
    assert refused(request) == {}
    assert found.kind_of(request).startswith("tasks/text-to-video/kling-9/")
    assert found.typical_seconds(request) > 0
    assert requests.create(found, request).path == "/text-to-video/kling-9"


def test_references() -> None:
    """A reference has the task's id, or until that is known the caller's, which is queried differently."""
    own = Reference.by_external_task_id("tasks", "job:1")
    assert (str(own), own.external_task_id) == ("tasks:external:job:1", "job:1")
    assert Reference.parse(str(own)) == own
    assert Reference.parse("tasks:123").external_task_id is None
    legacy = Reference.by_external_task_id("image2video", "job-1")
    assert (str(legacy), legacy.external_task_id) == ("image2video:job-1", None)
    assert Reference.parse("image2video:external:x").external_task_id is None


def test_what_is_named_in_a_prompt() -> None:
    """Materials are given by name, in a mapping or as records; the results of earlier tasks are materials too."""
    hero = Element(element_id=2**60, reference_type="video_refer")
    request = current.OmniVideo(
        "@hero and @guest cross @square as in @walk",
        model="kling-3.0-omni",
        refer_images={"square": CAT, "sky": CAT},
        feature_video={"walk": Video(id="1", url=CLIP)},
        elements=[current.NamedElement(hero, id="hero"), current.NamedElement("163", id="guest")],
    )
    assert compose(request).body["contents"][1:] == [
        {"type": "refer_image", "url": Image.of(CAT), "id": "square"},
        {"type": "refer_image", "url": Image.of(CAT), "id": "sky"},
        {"type": "feature_video", "url": CLIP, "id": "walk"},
        {"type": "element", "element_id": str(2**60), "id": "hero"},
        {"type": "element", "element_id": "163", "id": "guest"},
    ]
    voiced = current.ImageToVideo(CAT, model="kling-2.6", voices={"anna": Voice(voice_id="829")})
    assert compose(voiced).body["contents"][1:] == [{"type": "voice", "voice_id": "829", "id": "anna"}]


def test_what_is_given_without_a_name() -> None:
    """Pictures and videos need none, and documented dicts are read; elements and voices are refused without one."""
    request = current.OmniVideo(
        "a cat",
        model="kling-3.0-omni",
        first_frame={"url": CAT, "id": "cat"},
        refer_images=[CAT, {"url": CAT}],  # type: ignore[list-item]  # possible, but not in the types
        base_video=CLIP,
    )
    items = compose(request).body["contents"][1:]
    assert [item.get("id") for item in items] == ["cat", None, None, None]
    given: Any = [162]
    unnamed = current.ImageToVideo(CAT, model="kling-3.0", prompt="a", elements=given)
    assert refused(unnamed) == {"elements[0].id": "is required: the prompt names the element by it, as @id"}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("first_frame", {"a": CAT, "b": CAT}, "first_frame"),
        ("first_frame", 5, "first_frame"),
        ("last_frame", {"url": CAT, "name": "x"}, "last_frame"),
        ("elements", 5, "elements"),
        ("elements", [None], "elements[0]"),
        ("elements", {"hero": None}, "elements[0].element_id"),
        ("elements", {5: "162"}, "elements[0].id"),
        ("elements", {"hero": current.NamedElement(1, id="villain")}, "elements[0]"),
        ("middle_frames", [5], "middle_frames[0]"),
        ("prompt", 5, "prompt"),
        ("prompt", [{"words": "a"}], "prompt[0]"),
        ("model", None, "model"),
        ("model", "", "model"),
        ("model", "kling/3", "model"),
        ("path", 5, "path"),
        ("path", "/text-to-video/kling-3.0", "path"),
        ("path", "/v1/videos/image2video", "path"),
        ("path", "/image-to-video/../x", "path"),
        ("path", "https://elsewhere.example/image-to-video/kling-3.0", "path"),
        ("duration", "five", "duration"),
        ("resolution", "480p", "resolution"),
        ("watermark_info", {"on": True}, "watermark_info"),
        ("external_task_id", "a,b", "external_task_id"),
        ("callback_url", "nowhere", "callback_url"),
    ],
)
def test_problems_are_called_as_the_user_called_it(field: str, value: Any, named: str) -> None:
    """What cannot be read, and what a rule refuses, is a problem of the field that was given, and of no other."""
    record: Any = current.ImageToVideo
    request = record(**{"first_frame": CAT, "model": "kling-3.0", "prompt": "a", field: value})
    assert [*refused(request)] == [named]


def test_all_problems_at_once() -> None:
    """All problems are reported together, each under its name, as for the same body."""
    request = current.ImageToVideo(
        CAT,
        model="kling-2.6",
        prompt="@anna",
        last_frame=CAT,
        voices={"anna": "1", "ann": "2", "joe": "3"},
        duration=7,
        audio="native",
    )
    found = refused(request)
    assert [*found] == [
        "voices[2]", "duration", "audio", "last_frame", "voices", "voices[1].id",
    ]  # fmt: skip
    sent = compose(request)
    by_hand = current.problems(sent.path, {**sent.body, "contents": hand_made(request)})
    assert sorted(found.values()) == sorted(problem.message for problem in by_hand if not problem.only_warns)


def hand_made(request: CurrentRequest) -> list[Any]:
    """The items of a request whose pictures are addresses, as a hand writes them."""
    return [
        {name: value.url if isinstance(value, Image) else value for name, value in item.members.items()}
        for item in compose(request).items
    ]


# ------------------------------------------------------------------------------------------------------ shots


def test_shots_are_composed() -> None:
    """A list of shots becomes the prompt, their seconds the duration, and multi_shot is true where there is one."""
    shots = [current.Shot("a boat leaves", 3), {"words": "it meets a whale", "seconds": "4"}]
    sent = compose(current.TextToVideo(shots, model="kling-3.0"))  # type: ignore[arg-type]  # any iterable is read
    assert sent.body == {
        "prompt": "shot 1, 3, a boat leaves; shot 2, 4, it meets a whale;",
        "settings": {"multi_shot": True, "audio": "off", "duration": 7},
    }
    turbo = compose(current.TextToVideo(shots, model="kling-3.0-turbo"))  # type: ignore[arg-type]  # any iterable is read
    assert turbo.body["settings"] == {"duration": 7}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"prompt": "a cat"}, False),
        ({"prompt": "shot 1, 5, a cat;"}, True),
        ({"prompt": "a cat", "multi_shot": True}, True),
        ({"prompt": "shot 1, 5, a cat;", "multi_shot": False}, False),
    ],
)
def test_multi_shot_is_always_sent(given: Any, expected: object) -> None:
    """It follows from the prompt, unless it was given: the service's default may cut a plain prompt."""
    for record, model in [(current.TextToVideo, "kling-3.0"), (current.OmniVideo, "kling-3.0-omni")]:
        made: Any = record
        assert compose(made(model=model, **given)).settings["multi_shot"] is expected
    assert compose(current.OmniVideo("a", model="kling-3.0-omni", base_video=CLIP)).settings["multi_shot"] is False
    assert "multi_shot" not in compose(current.OmniVideo("a", model="kling-o1")).settings


@pytest.mark.parametrize(
    ("shots", "field", "words"),
    [
        ([current.Shot("a; b", 5)], "prompt[0].words", "semicolon"),
        ([current.Shot("", 5)], "prompt[0].words", "blank"),
        ([current.Shot("x" * 513, 5)], "prompt[0].words", "at most 512"),
        ([current.Shot("a", 3), current.Shot("b", 0)], "prompt[1].seconds", "at least 1"),
        ([current.Shot("a", 1)] * 7, "prompt", "at most 6"),
        ([current.Shot("a", 9), current.Shot("b", 9)], "duration", "use 3 to 15"),
        ([], "prompt", "is required"),
    ],
)
def test_shots_that_cannot_be(shots: Any, field: str, words: str) -> None:
    """A shot is refused by its place in the list, and what all of them make by the prompt or the duration."""
    found = refused(current.TextToVideo(shots, model="kling-3.0"))
    assert words in found[field]


def test_shots_need_a_model_that_has_them() -> None:
    """Where a model makes one shot only, a list of shots is refused; text in their words is a warning."""
    shots = [current.Shot("a", 2), current.Shot("b", 3)]
    assert "several shots" in refused(current.TextToVideo(shots, model="kling-2.6"))["prompt"]
    assert refused(current.TextToVideo("shot 1, 2, a; shot 2, 3, b;", model="kling-2.6")) == {}


def test_a_sum_that_is_not_the_duration() -> None:
    """A duration that was given is held against the shots."""
    shots = [current.Shot("a", 2), current.Shot("b", 3)]
    found = refused(current.TextToVideo(shots, model="kling-3.0", duration=6))
    assert found == {"prompt": "the shots last 5 s together, duration is 6"}


# --------------------------------------------------------------------------------------- elements and pictures

IMAGE_ELEMENT = Element(element_id=1, reference_type="image_refer")
VIDEO_ELEMENT = Element(element_id=2, reference_type="video_character_elements")


@pytest.mark.parametrize(
    ("model", "elements", "more", "words"),
    [
        ("kling-3.0-omni", [VIDEO_ELEMENT] * 4, {}, "at most 3"),  # C17
        ("kling-3.0-omni", [VIDEO_ELEMENT, *[IMAGE_ELEMENT] * 3], {"refer_images": [CAT, CAT]}, "at most 4"),  # C18
        ("kling-3.0-omni", [VIDEO_ELEMENT] * 2, {"base_video": CLIP}, "1 is possible"),  # C19
        ("kling-3.0-omni", [VIDEO_ELEMENT, IMAGE_ELEMENT], {"base_video": CLIP}, "excludes those of pictures"),  # C19
        ("kling-3.0-omni", [VIDEO_ELEMENT], {"base_video": CLIP, "refer_images": [CAT]}, "pictures to refer"),  # C19
        ("kling-o1", [VIDEO_ELEMENT], {}, "those of pictures"),  # C25
    ],
)
def test_kinds_of_elements(model: str, elements: list[Element], more: Any, words: str) -> None:
    """What elements of a video exclude is refused where all kinds are known; one that is not known hides it."""
    named = {f"e{place}": element for place, element in enumerate(elements)}
    request = current.OmniVideo("a", model=model, aspect_ratio="1:1", elements=named, **more)
    assert any(words in message for field, message in refused(request).items() if field.startswith("elements["))
    unknown = {name: element.element_id for name, element in named.items()}
    blind = current.OmniVideo("a", model=model, aspect_ratio="1:1", elements=unknown, **more)
    assert not any(words in message for message in refused(blind).values())


def facts_about(request: CurrentRequest, size: int, width: int = 800) -> Facts:
    """That each picture is a PNG of this size."""
    header = ImageHeader(format="png", width=width, height=800, complete=True)
    return {field: ImageFacts(size=size, header=header) for field in files_of(request)}


@pytest.mark.parametrize(
    "request_",
    [
        current.ImageToVideo(b"png", model="kling-3.0-turbo", prompt="a"),
        current.OmniVideo("a", model="kling-o1", first_frame={"cat": b"png"}),
        current.OmniVideo("a", model="kling-3.0-omni", aspect_ratio="1:1", refer_images={"cat": Path("a.png").name}),
        current.MotionControl(b"png", model="kling-2.6", video=CLIP, character_orientation="image"),
    ],
)
def test_pictures(request_: CurrentRequest) -> None:
    """C31: 50 MB, 300 px, 1:2.5 to 2.5:1; above 10 MB a warning, since the maximum size of a body is not known."""
    [field] = files_of(request_)
    assert problems(request_, facts_about(request_, 10 * 2**20)) == []
    [warning] = problems(request_, facts_about(request_, 10 * 2**20 + 1))
    assert (warning.field, warning.only_warns) == (field, True)
    [large] = problems(request_, facts_about(request_, 50 * 2**20 + 1))
    assert (large.field, large.only_warns, "50 MB" in large.message) == (field, False, True)
    assert [problem.field for problem in problems(request_, facts_about(request_, 9, width=299))] == [field] * 2


def test_pictures_by_hand() -> None:
    """C31: base64 in a body is looked into as a file is."""
    small = base64.b64encode(png(299, 300)).decode()
    body = {"contents": [{"type": "prompt", "text": "a"}, {"type": "first_frame", "url": small}]}
    [problem] = current.problems("/image-to-video/kling-3.0", body)
    assert (problem.field, "299 x 300" in problem.message) == ("contents[1].url", True)


def test_a_file_that_is_missing_is_refused_whatever_the_model() -> None:
    """C32: what is certain refuses for models that are not known too; a size or a shape only warns."""
    request = current.ImageToVideo("gone.png", model="kling-9", prompt="a")
    gone = {"first_frame": ImageFacts(complaint="there is no file 'gone.png'", missing_file=True)}
    assert [problem.field for problem in problems(request, gone) if not problem.only_warns] == ["first_frame"]
    assert all(problem.only_warns for problem in problems(request, facts_about(request, 9, width=299)))
    unreadable = current.ImageToVideo("data:image/png;base64,AAAA", model="kling-9", prompt="a")
    assert [*refused(unreadable)] == ["first_frame"]


# ------------------------------------------------------------------------------------------------ unknown models


def test_what_comes_after_the_table() -> None:
    """C32: 4.0's published shape goes through with a warning, to a path that can be set."""
    request = current.ImageToVideo(
        CAT,
        model="kling-4.0",
        path="/v2/image-to-video/kling-4.0",
        middle_frames=[CAT] * 8,
        last_frame=CAT,
        prompt="From dusk to dawn.",
        duration=30,
    )
    assert refused(request) == {}
    assert endpoint(request).path_of(request) == to_wire(request)["path"] == "/v2/image-to-video/kling-4.0"
    omni = current.OmniVideo(
        "@hero says with @anna: good morning",
        model="kling-4.0",
        refer_images=[CAT] * 9,
        base_video=CLIP,
        elements={"hero": 1},
        voices={"anna": "2"},
        aspect_ratio="21:9",
    )
    assert [(problem.field, problem.only_warns) for problem in problems(omni)] == [("model", True)]
    new = current.TextToVideo("a cat", model="kling-5", resolution="4k", duration=60, audio="off")
    assert [(problem.field, problem.only_warns) for problem in problems(new)] == [("model", True)]


# -------------------------------------------------------------------------------------------------- map and price

PRICES = """
3.0-turbo   -       0.8 1.0 -
3.0         off     0.6 0.8 3.0
3.0         native  0.9 1.2 3.0
3.0-omni    off     0.6 0.8 3.0
3.0-omni    native  0.8 1.0 3.0
3.0-omni    video   0.9 1.2 3.0
o1          off     0.6 0.8 -
o1          video   0.9 1.2 -
2.6         off     0.3 0.5 -
2.6         native  -   1.0 -
2.6         voice   -   1.2 -
2.5-turbo   -       0.3 0.5 -
"""


def priced() -> list[Any]:
    """Model, variant, resolution and price of a second."""
    lines = [line.split() for line in PRICES.strip().splitlines()]
    return [
        (f"kling-{model}", variant, size, price)
        for model, variant, *prices in lines
        for size, price in zip(("720p", "1080p", "4k"), prices, strict=True)
        if price != "-"
    ]


@pytest.mark.parametrize(("model", "variant", "resolution", "price"), priced())
def test_prices(model: str, variant: str, resolution: Any, price: str) -> None:
    """A request costs the price of the price page, by its requested seconds; 5 if none are given."""
    audio: Any = variant if variant in {"off", "native"} else "native" if variant == "voice" else None
    more: dict[str, Any] = {"resolution": resolution, "audio": audio}
    made: list[CurrentRequest] = []
    if model in {"kling-3.0-omni", "kling-o1"}:
        video: dict[str, Any] = {"feature_video": CLIP} if variant == "video" else {}
        made = [current.OmniVideo("a", model=model, duration=seconds, **video, **more) for seconds in (None, 10)]
    elif variant == "voice":
        voices = {"anna": "1"}
        made = [current.ImageToVideo(CAT, model=model, voices=voices, duration=s, **more) for s in (None, 10)]
    else:
        made = [current.ImageToVideo(CAT, model=model, duration=seconds, **more) for seconds in (None, 10)]
        made += [current.TextToVideo("a", model=model, duration=seconds, **more) for seconds in (None, 10)]
    for request, seconds in zip(made, (5, 10) * 2, strict=False):
        units = Decimal(price) * seconds
        assert estimate(request) == Estimate(units=units, usd=units * Decimal("0.14"))


def test_prices_that_are_not_known_before() -> None:
    """What is as long as its video, a model that is not known, and what is refused have no price."""
    orientation: Any = "image"
    unpriced: list[CurrentRequest] = [
        current.MotionControl(CAT, model="kling-3.0", video=CLIP, character_orientation=orientation),
        current.OmniVideo("a", model="kling-3.0-omni", base_video=CLIP),
        current.TextToVideo("a", model="kling-9"),
        current.TextToVideo("a", model="kling-4.0"),
        current.TextToVideo("a", model="kling-3.0", duration=99),
        current.TextToVideo("a", model="kling-3.0", duration="x"),
        current.TextToVideo("a", model="kling-3.0", resolution=[]),  # type: ignore[arg-type]  # wrong on purpose
    ]
    assert [estimate(request).units for request in unpriced] == [None] * 7


def test_shots_cost_their_seconds() -> None:
    """The price is that of all shots together."""
    shots = [current.Shot("a", 3), current.Shot("b", 4)]
    assert estimate(current.TextToVideo(shots, model="kling-3.0-turbo")).units == Decimal("5.6")


def test_the_map() -> None:
    """`capabilities` has a row for each resolution and duration; what works in 1080p only is shown so."""
    rows = kling_async.capabilities(current.ImageToVideo)
    known = {(row.model_name, row.mode, row.duration): row for row in rows}
    assert len(rows) == len(known)
    small, large = known["kling-2.6", "720p", 5], known["kling-2.6", "1080p", 5]
    assert [small.native.value, small.last_frame.value, small.voice.value] == ["-", "-", "-"]
    assert [large.native.value, large.last_frame.value, large.voice.value, large.size] == ["y", "y", "y", "1080p"]
    assert known["kling-4.0", "720p", 30].last_frame.value == "?"
    for record in (current.TextToVideo, current.OmniVideo, current.MotionControl):
        found = kling_async.capabilities(record)
        paths = {f"{record.family}/{row.model_name}" for row in found}
        assert paths == {row.path for row in table.ROWS if row.family == record.family}


def test_typical_times() -> None:
    """Turbo is quicker than what users measured elsewhere, and more seconds and pixels take longer."""
    turbo = current.TextToVideo("a", model="kling-3.0-turbo")
    slower: list[CurrentRequest] = [
        current.TextToVideo("a", model="kling-3.0-turbo", duration=15),
        current.TextToVideo("a", model="kling-3.0-turbo", resolution="1080p"),
        current.TextToVideo("a", model="kling-3.0"),
        current.TextToVideo("a", model="kling-9"),
    ]
    assert endpoint(turbo).typical_seconds(turbo) == pytest.approx(35)
    assert all(endpoint(each).typical_seconds(each) > 36 for each in slower)
