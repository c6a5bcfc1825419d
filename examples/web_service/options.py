"""The options of the page: models, modes and durations, with prices."""

from collections.abc import Mapping
from typing import Any, Final

from examples.web_service.requests import UPLOAD_BYTES
from kling_async import Cell, Estimate, ImageToVideo, Problem, capabilities, estimate

PROMPT_LETTERS: Final = 2500
"""Maximum length of `prompt` in the service's documentation."""
FIELDS: Final = ("prompt", "model_name", "mode", "duration", "sound")
"""Fields of the form, besides the picture."""
ANY_PICTURE: Final = "https://any.example/picture.jpg"
"""A placeholder for requests that are only priced: the picture does not affect the price."""
_SWITCH: Final = {"true": True, "false": None}


def options() -> list[dict[str, Any]]:
    """Returns all models that are not retired, newest first, each with its modes."""
    models: dict[str, dict[str, dict[str, Any]]] = {}
    for row in reversed(capabilities(ImageToVideo)):
        if row.retired is None and row.duration is not None:
            modes = models.setdefault(row.model_name, {})
            mode = modes.setdefault(row.mode or "", {"durations": [], "sound": False, "size": row.size})
            mode["durations"].insert(0, row.duration)
            mode["sound"] |= row.sound is Cell.YES
    return [
        {"name": name, "modes": [{"mode": mode, **rest} for mode, rest in reversed(modes.items())]}
        for name, modes in models.items()
    ]


def for_page(running: int) -> dict[str, Any]:
    """Returns the page's configuration; `running` is the maximum of unfinished clips per person."""
    return {
        "models": options(),
        "upload_bytes": UPLOAD_BYTES,
        "prompt_letters": PROMPT_LETTERS,
        "running": running,
    }


def request_of(fields: Mapping[str, Any], picture: Any = ANY_PICTURE) -> ImageToVideo:
    """Returns the request for a form, without validation: `check` finds the problems.

    Args:
        fields: names and texts of the form.
        picture: path of the picture.
    """
    given = {name: fields[name].strip() for name in FIELDS if isinstance(fields.get(name), str)}
    if "sound" in given:
        given["sound"] = _SWITCH.get(given["sound"], given["sound"])
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value not in {"", None}}
    return ImageToVideo(picture, **wanted)


def price(cost: Estimate) -> dict[str, str | None]:
    """Returns a cost in the format of the page; null where it is unknown."""
    return {
        "units": None if cost.units is None else f"{cost.units.normalize():f}",
        "usd": None if cost.usd is None else f"{cost.usd:.2f}",
    }


def price_of(request: ImageToVideo) -> dict[str, str | None]:
    """Returns the price of a request."""
    return price(estimate(request))


def problems_of(request: ImageToVideo) -> list[Problem]:
    """Refuses models that the page does not offer; the client itself accepts unknown models."""
    names = [model["name"] for model in options()]
    return [] if request.model_name in names else [Problem("model_name", f"choose one of {', '.join(names)}")]
