"""Bodies of the current generation for the tests of the checks."""

from typing import Any, Literal, NamedTuple

from kling_async import current
from kling_async.protocol.endpoints.current import table

PICTURE = "https://files.example/a.png"
CLIP = "https://files.example/v.mp4"

T2V, I2V, OMNI, MOTION = "/text-to-video/", "/image-to-video/", "/omni-video/", "/motion-control/"
OMNI_3, O1 = f"{OMNI}kling-3.0-omni", f"{OMNI}kling-o1"
PATHS = [row.path for row in table.VERIFIED]


class Case(NamedTuple):
    """What breaks a rule.

    Attributes:
        rule: which one.
        path: that it is sent to.
        body: that breaks it.
        field: that the problem names.
        verdict: whether it must not be sent.
        words: in the problem.
    """

    rule: str
    path: str
    body: Any
    field: str
    verdict: Literal["refused", "warned"]
    words: str


def item(kind: str, **members: Any) -> dict[str, Any]:
    """A material of this type."""
    usual: dict[str, Any] = {
        "prompt": {"text": "a cat yawns"},
        "feature_video": {"url": CLIP},
        "base_video": {"url": CLIP},
        "video": {"url": CLIP},
        "element": {"element_id": "162", "id": "hero"},
        "voice": {"voice_id": "829", "id": "anna"},
    }.get(kind, {"url": PICTURE})
    return {"type": kind, **usual, **members}


def named(kind: str, *ids: str) -> list[dict[str, Any]]:
    """Materials of a type with these ids."""
    return [item(kind, id=id_) for id_ in ids]


def body(path: str, *more: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A legal body of a path, with more materials and settings; None takes a setting away."""
    own: dict[str, Any] = {}
    if path.startswith(OMNI):
        own = {"aspect_ratio": "1:1"}
    elif path.startswith(MOTION):
        own = {"character_orientation": "video"}
    own = {name: value for name, value in {**own, **settings}.items() if value is not None}
    made: dict[str, Any] = {"settings": own} if own else {}
    if path.startswith(T2V):
        return {"prompt": "a cat yawns", **made}
    least = {I2V: ["prompt", "first_frame"], OMNI: ["prompt"], MOTION: ["prompt", "image", "video"]}
    kinds = next(kinds for family, kinds in least.items() if path.startswith(family))
    return {"contents": [*map(item, kinds), *more], **made}


def with_prompt(text: str, path: str = f"{T2V}kling-3.0", **settings: Any) -> dict[str, Any]:
    """A body with this prompt."""
    made = body(path, **settings)
    if path.startswith(T2V):
        return {**made, "prompt": text}
    return {**made, "contents": [item("prompt", text=text), *made["contents"][1:]]}


def found(case: Case) -> bool:
    """Whether the checks find what breaks the rule, as it is to be found."""
    return any(
        (problem.field, "warned" if problem.only_warns else "refused") == (case.field, case.verdict)
        and case.words in problem.message
        for problem in current.problems(case.path, case.body)
    )


V26, V25, V3, TURBO = (f"{I2V}kling-{name}" for name in ("2.6", "2.5-turbo", "3.0", "3.0-turbo"))
M3 = f"{MOTION}kling-3.0"
TWO_SHOTS = "shot 1, 3, a boat leaves; shot 2, 2, it meets a whale;"
