"""Requests for the tests of the checks."""

from typing import Any

from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.endpoints.videos.image_to_video import ENDPOINT, ImageToVideo
from kling_async.protocol.errors import Problem, RetiredModelWarning

URL = "https://example.com/a.png"
HALF = "\ud800"  # half of a surrogate pair
WAY = [{"x": 1, "y": 1}, {"x": 2, "y": 2}]
BRUSH: dict[str, Any] = {"model_name": "kling-v1", "dynamic_masks": [{"mask": URL, "trajectories": WAY}]}
CAMERA: dict[str, Any] = {"model_name": "kling-v1-5", "mode": "pro"}
V3: dict[str, Any] = {"model_name": "kling-v3"}
SOUND: dict[str, Any] = {"mode": "pro", "sound": True}


def problems_of(**parameters: Any) -> list[Problem]:
    """The problems of a request, by default with an image at an address."""
    return wrong_with(ENDPOINT, ImageToVideo(**{"image": URL, **parameters}))


def wrong_with(endpoint: Endpoint, request: Request) -> list[Problem]:
    """The problems of a request except the retirement of its model: old models use most of a map."""
    return [problem for problem in endpoint.problems(request, {}) if problem.warning is not RetiredModelWarning]


def mask(*points: tuple[Any, Any]) -> dict[str, Any]:
    """A dynamic mask with these points."""
    return {"mask": URL, "trajectories": [{"x": x, "y": y} for x, y in points]}


def shots(*seconds: Any, prompt: Any = "a") -> list[dict[str, Any]]:
    """Shots of these lengths."""
    return [{"index": place, "prompt": prompt, "duration": each} for place, each in enumerate(seconds, 1)]


def camera(kind: Any = "simple", **config: Any) -> dict[str, Any]:
    """A camera_control for a model that has one."""
    return {**CAMERA, "camera_control": {"type": kind, **({"config": config} if config else {})}}


def customize(seconds: Any, multi_prompt: Any, **more: Any) -> dict[str, Any]:
    """A request with `shot_type="customize"`."""
    own = {"multi_shot": True, "shot_type": "customize", "duration": seconds, "multi_prompt": multi_prompt}
    return {**V3, **own, **more}
