"""The checks of this generation, C1 to C32, of bodies composed from a record or written by hand."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final

import attrs

from kling_async.protocol import records
from kling_async.protocol.converters import Malformed
from kling_async.protocol.endpoints.current import given as given_
from kling_async.protocol.endpoints.current import (
    rules_contents,
    rules_images,
    rules_prompt,
    rules_settings,
    rules_shape,
)
from kling_async.protocol.endpoints.current.given import Given
from kling_async.protocol.endpoints.current.materials import NamedElement, NamedImage, NamedVideo, NamedVoice, Shot
from kling_async.protocol.endpoints.current.request import FIELDS, CurrentRequest, compose
from kling_async.protocol.endpoints.current.shots import ShotRead
from kling_async.protocol.errors import Problem
from kling_async.protocol.media.given import Media, MediaSource
from kling_async.protocol.media.image import Image
from kling_async.protocol.rules import task_options
from kling_async.protocol.rules.files import Facts
from kling_async.protocol.rules.nested import values_in
from kling_async.protocol.rules.plain import plain
from kling_async.protocol.rules.values import segment, shown, unread

Rule = Callable[[Given], Iterable[Problem]]


def problems(path: str, body: Mapping[str, Any]) -> list[Problem]:
    """Returns the problems of a hand-written body, without sending it; never raises.

    The service ignores most of these mistakes, and bills for the result of the rest. The body of a record is always
    well formed. `RawCall("POST", path, body)` sends a hand-written one, once, and `attach("tasks:<id>")` follows the
    task in its answer.

    ```python
    for problem in current.problems("/image-to-video/kling-3.0-turbo", body):
        print(problem)  # settings.duration: expected a whole number, got '5'
    ```

    Args:
        path: the path to send it to: `/image-to-video/kling-3.0-turbo`.
        body: its JSON; pictures are addresses, or base64 whose size is checked as well.

    Returns:
        All problems, each with the path of the member (`contents[1].url`). Those with `only_warns` do not refuse the
        request; that is so for almost all problems of a model that is not known here.
    """
    path, body = plain(path), plain(body)
    if not isinstance(path, str):
        return [Problem("path", f"expected text, got {shown(path)}")]
    if not isinstance(body, dict):
        return [Problem("body", f"expected a dict, got {shown(body)}")]
    given = given_.of_body(path, body)
    return [*_options(given), *_checked(given), *_pictures(given, {})]


# These refuse even with an unknown model: C2, C3, C30, and what cannot be sent or looked up.
CERTAIN: Final[tuple[Rule, ...]] = (
    rules_shape.path,
    rules_shape.only_json,
    rules_shape.containers,
    rules_shape.words,
    rules_shape.contents,
)
RULES: Final[tuple[Rule, ...]] = (
    rules_shape.unknown_members,
    rules_contents.required,
    rules_shape.foreign_types,
    rules_contents.one_of_each,
    rules_contents.last_frame,
    rules_contents.counts,
    rules_contents.one_video,
    rules_contents.edits,
    rules_contents.frames_of_o1,
    rules_contents.references,
    rules_contents.element_kinds,
    rules_contents.element_orientation,
    rules_settings.kinds,
    rules_settings.choices,
    rules_settings.only_in_1080p,
    rules_settings.frames_and_sound,
    rules_settings.voices_and_sound,
    rules_settings.videos_and_sound,
    rules_settings.ratio,
    rules_settings.seconds_with_video,
    rules_settings.o1_seconds,
    rules_settings.orientation,
    rules_settings.edit_shots,
    rules_prompt.length,
    rules_prompt.ids,
    rules_prompt.names,
    rules_prompt.shots_possible,
    rules_prompt.shot_by_shot,
)


def _checked(given: Given) -> Iterator[Problem]:
    for rule in CERTAIN:
        yield from rule(given)
    yield from _as_sure(given, (problem for rule in RULES for problem in rule(given)))


def _pictures(given: Given, facts: Facts) -> Iterator[Problem]:
    unreadable = {
        item.at("url")
        for item in given.items
        if isinstance(url := item.members.get("url"), Media) and url.source is MediaSource.UNREADABLE
    }
    for problem in rules_images.images(given, facts):
        is_certain = problem.missing_file is not None or problem.field in unreadable
        yield from [problem] if is_certain else _as_sure(given, [problem])


def _as_sure(given: Given, found: Iterable[Problem]) -> Iterator[Problem]:
    """C32: with a model that is not verified, problems only warn."""
    is_sure = given.row is not None and given.row.verified
    for problem in found:
        yield problem if is_sure else attrs.evolve(problem, only_warns=True)


# ----------------------------------------------------------------------------------------------------- options


def _options(given: Given) -> Iterator[Problem]:
    """Checks the options of a body by the rules that all endpoints share."""
    options: Any = SimpleNamespace(
        callback_url=given.options.get("callback_url"),
        external_task_id=given.options.get("external_task_id") or None,  # [docs]: "" is none
        watermark_info=records.watermark_info(given.options.get("watermark_info")),
    )
    for problem in _of_options(options):
        yield attrs.evolve(problem, field=given.option(problem.field))


def _of_options(options: Any) -> Iterator[Problem]:
    yield from task_options.callback_url(options)
    yield from task_options.external_task_id(options)
    if isinstance(options.external_task_id, str) and "," in options.external_task_id:
        yield Problem("external_task_id", "has a comma, at which the service parts several ids; leave it out")
    yield from task_options.watermark_info(options)


# ----------------------------------------------------------------------------------------------------- records

_CLASSES: Final[Mapping[str, tuple[type, ...]]] = {
    "first_frame": (Image, NamedImage),
    "middle_frames": (Image,),
    "last_frame": (Image, NamedImage),
    "refer_images": (NamedImage,),
    "feature_video": (NamedVideo,),
    "base_video": (NamedVideo,),
    "image": (Image,),
    "video": (NamedVideo,),
    "elements": (NamedElement,),
    "voices": (NamedVoice,),
    "prompt": (Shot,),
}
"""The classes that the converters of the fields return for valid values."""


def of_record(request: CurrentRequest) -> Iterator[Problem]:
    """Returns all problems of a record: unreadable values, its options, and its body."""
    found = [*_unread(request), *_destination(request), *_of_options(request)]
    yield from found
    reported = {problem.field.partition("[")[0] for problem in found}
    yield from (problem for problem in _checked(_plain(compose(request))) if problem.field not in reported)


def of_pictures(request: CurrentRequest, facts: Facts) -> Iterator[Problem]:
    """Returns all problems of the pictures of a record."""
    return _pictures(_plain(compose(request)), facts)


def _plain(given: Given) -> Given:
    items = [attrs.evolve(item, members=plain(item.members)) for item in given.items]
    shots = [ShotRead(*(plain(value) for value in attrs.astuple(shot))) for shot in given.shots]
    return attrs.evolve(given, body=plain(given.body), items=tuple(items), shots=tuple(shots))


def _unread(request: Any) -> Iterator[Problem]:
    for path, _, value in values_in(request):
        if isinstance(value, Malformed) and path != "watermark_info":
            yield Problem(path, value.complaint)
    for name, classes in _CLASSES.items():
        value = getattr(request, name, None)
        for place, item in enumerate(value if isinstance(value, tuple) else ()):
            if not isinstance(item, (*classes, Malformed)):
                yield Problem(f"{name}[{place}]", unread(item, classes[0]))
        if name in FIELDS and not isinstance(value, (tuple, Malformed, *classes, type(None))):
            yield Problem(name, unread(value, classes[0]))
    prompt = getattr(request, "prompt", None)
    if not isinstance(prompt, (str, tuple, Malformed, type(None))):
        yield Problem("prompt", f"expected text, got {shown(prompt)}")


def _destination(request: Any) -> Iterator[Problem]:
    yield from segment("model", request.model)
    if request.path is not None and not isinstance(request.path, str):
        yield Problem("path", f"expected text, got {shown(request.path)}")
