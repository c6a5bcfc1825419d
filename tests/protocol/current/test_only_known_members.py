"""What the checks let pass has no member that the service would ignore, and bill for: a property, by a second table."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_async import current
from kling_async.protocol.catalog import endpoint_of
from kling_async.protocol.endpoints.current.request import compose

from .bodies import CLIP, PICTURE, item

# The pages of the documentation once more, apart from the table of the checks.
EVERYWHERE: Final = {"resolution"}
SETTINGS: Final[dict[str, set[str]]] = {
    "/text-to-video/kling-3.0-turbo": {"duration", "aspect_ratio"},
    "/image-to-video/kling-3.0-turbo": {"duration"},
    "/text-to-video/kling-3.0": {"duration", "aspect_ratio", "audio", "multi_shot"},
    "/image-to-video/kling-3.0": {"duration", "audio", "multi_shot"},
    "/omni-video/kling-3.0-omni": {"duration", "aspect_ratio", "audio", "multi_shot"},
    "/motion-control/kling-3.0": {"audio", "character_orientation"},
    "/omni-video/kling-o1": {"duration", "aspect_ratio", "audio"},
    "/text-to-video/kling-2.6": {"duration", "aspect_ratio", "audio"},
    "/image-to-video/kling-2.6": {"duration", "audio"},
    "/motion-control/kling-2.6": {"audio", "character_orientation"},
    "/text-to-video/kling-2.5-turbo": {"duration", "aspect_ratio"},
    "/image-to-video/kling-2.5-turbo": {"duration"},
}
FRAMES: Final = {"first_frame", "last_frame"}
OMNI: Final = {"prompt", *FRAMES, "refer_image", "feature_video", "base_video", "element"}
CONTENTS: Final[dict[str, set[str]]] = {
    "/image-to-video/kling-3.0-turbo": {"prompt", "first_frame"},
    "/image-to-video/kling-3.0": {"prompt", *FRAMES, "element"},
    "/omni-video/kling-3.0-omni": OMNI,
    "/motion-control/kling-3.0": {"prompt", "image", "video", "element"},
    "/omni-video/kling-o1": OMNI,
    "/image-to-video/kling-2.6": {"prompt", *FRAMES, "voice"},
    "/motion-control/kling-2.6": {"prompt", "image", "video"},
    "/image-to-video/kling-2.5-turbo": {"prompt", *FRAMES},
}
OPTIONS: Final = {"callback_url", "external_task_id", "watermark_info"}
MEMBERS: Final = {"prompt": {"text"}, "element": {"element_id", "id"}, "voice": {"voice_id", "id"}}
NAMED: Final = {"refer_image", "feature_video", "base_video"}


def unknown_in(path: str, body: Mapping[str, Any]) -> set[str]:
    """The members of a body that the documentation of its path does not have."""
    top = {"settings", "options", "contents" if path in CONTENTS else "prompt"}
    found = {*body} - top
    found |= {*body.get("settings", {})} - EVERYWHERE - SETTINGS[path]
    found |= {*body.get("options", {})} - OPTIONS
    for material in body.get("contents", []):
        kind = material["type"]
        known = {"type", *MEMBERS.get(kind, {"url"})}
        if kind in NAMED or (kind in FRAMES and path.startswith("/omni-video/")):
            known.add("id")
        found |= {*material} - known
        found |= {kind} - CONTENTS[path]
    return found


def some(chance: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A member that is not known, now and then."""
    names = st.sampled_from(["mode", "sound", "duration", "seed_", "id", "url", "prompt", "callback_url", "audio"])
    return st.one_of(*[st.just(dict[str, Any]())] * 12, st.dictionaries(names, chance, max_size=1))


WORDS = st.sampled_from(["a cat", "@cat yawns", "shot 1, 3, a; shot 2, 2, b;"])
VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "resolution": st.sampled_from(["720p", "1080p", "4k"]),
    "duration": st.sampled_from([3, 5, 10]),
    "aspect_ratio": st.sampled_from(["16:9", "1:1"]),
    "audio": st.sampled_from(["native", "original", "off"]),
    "multi_shot": st.booleans(),
    "character_orientation": st.sampled_from(["image", "video"]),
}


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A body that is nearly that of its path."""
    path = draw(st.sampled_from(sorted(SETTINGS)))
    own = SETTINGS[path] | EVERYWHERE
    likely = sorted(own) if draw(st.integers(0, 7)) else sorted(VALUES)
    names = draw(st.sets(st.sampled_from(likely), max_size=2))
    if "character_orientation" in own:
        names.add("character_orientation")
    body: dict[str, Any] = {"settings": {name: draw(VALUES[name]) for name in sorted(names)} | draw(some(st.just(1)))}
    if path in CONTENTS:
        least = {"/image": ["prompt", "first_frame"], "/omni-": ["prompt"], "/motio": ["prompt", "image", "video"]}
        kinds = [
            *least[path[:6]],
            *draw(st.lists(st.sampled_from(sorted(CONTENTS[path] | {"voice", "last_frame", "image"})), max_size=2)),
        ]
        items = [item(kind, **({"id": f"n{place}"} if kind in NAMED else {})) for place, kind in enumerate(kinds)]
        body["contents"] = [{**each, **draw(some(st.just("x")))} for each in items]
    else:
        body["prompt"] = draw(WORDS)
    body |= draw(some(st.just("x")))
    if draw(st.booleans()):
        body["options"] = {"external_task_id": "job-1", **draw(some(st.just("x")))}
    return path, body


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(bodies())
def test_bodies_made_by_hand(drawn: tuple[str, dict[str, Any]]) -> None:
    """A body that is not refused has only members that the documentation of its path has."""
    path, body = drawn
    if all(problem.only_warns for problem in current.problems(path, body)):
        assert unknown_in(path, body) == set()


RECORDS: Final[dict[str, Any]] = {
    "/text-to-video": current.TextToVideo,
    "/image-to-video": current.ImageToVideo,
    "/omni-video": current.OmniVideo,
    "/motion-control": current.MotionControl,
}
GIVEN: Final[dict[str, st.SearchStrategy[Any]]] = {
    **VALUES,
    "prompt": st.one_of(WORDS, st.just([current.Shot("a", 3), current.Shot("b", 2)])),
    "first_frame": st.sampled_from([PICTURE, {"cat": PICTURE}]),
    "last_frame": st.just(PICTURE),
    "middle_frames": st.just([PICTURE]),
    "refer_images": st.sampled_from([{"cat": PICTURE}, [PICTURE]]),
    "feature_video": st.sampled_from([CLIP, {"walk": CLIP}]),
    "base_video": st.just(CLIP),
    "image": st.just(PICTURE),
    "video": st.sampled_from([CLIP, {"walk": CLIP}]),
    "elements": st.just({"hero": 1}),
    "voices": st.just({"anna": "1"}),
    "watermark_info": st.just({"enabled": True}),
    "callback_url": st.just("https://hooks.example"),
    "external_task_id": st.just("job-1"),
}
LEAST: Final = {
    "/text-to-video": {"prompt"},
    "/image-to-video": {"prompt", "first_frame"},
    "/omni-video": {"prompt", "aspect_ratio"},
    "/motion-control": {"image", "video", "character_orientation"},
}


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.data())
def test_records(data: st.DataObject) -> None:
    """A request that is not refused sends only members that the documentation of its path has."""
    path = data.draw(st.sampled_from(sorted(SETTINGS)))
    family, _, model = path.rpartition("/")
    record = RECORDS[family]
    names = sorted({field.name for field in attrs.fields(record)} & {*GIVEN})
    chosen = data.draw(st.sets(st.sampled_from(names), max_size=3)) | LEAST[family]
    request = record(model=model, **{name: data.draw(GIVEN[name]) for name in sorted(chosen)})
    endpoint = endpoint_of(request)
    assert endpoint is not None
    if all(problem.only_warns for problem in endpoint.problems(request, {})):
        assert unknown_in(path, compose(request).body) == set()
