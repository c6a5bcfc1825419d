"""Elements for videos and pictures: creation from pictures or a clip, presets, and deletion."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from kling_async.emulator.results.elements import ElementResult, View
from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.earlier import made
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.pictures import damage, read_all, without_data
from kling_async.emulator.service.checks.text import check_content
from kling_async.emulator.service.checks.videos import video
from kling_async.emulator.service.endpoint import AcceptedRequest, Body, Earlier, Endpoint
from kling_async.emulator.service.errors import invalid
from kling_async.emulator.service.synchronous import CallContext, CallEndpoint

_MEMBERS: Final[dict[str, Any]] = {
    "element_name": str,
    "element_description": str,
    "reference_type": str,
    "element_image_list": {"frontal_image": str, "refer_images": [{"image_url": str}]},
    "element_video_list": {"refer_videos": [{"video_url": str}]},
    "element_voice_id": str,
    "tag_list": [{"tag_id": str}],
    **members.WITHOUT_WATERMARK,
}

_TYPICAL_SECONDS: Final = 5.0
"""Observed by one user."""

_PAGE_MAXIMUM: Final = 500
_TAGS: Final = tuple(f"o_{number}" for number in range(101, 109))
_PRESETS: Final = {
    "829836802793406551": ElementResult(
        name="Robot",
        description="a small blue robot",
        views=(View(image="", width=512, height=512), View(image="", width=512, height=512)),
        tags=("o_102",),
        owner="kling",
    ),
    "829836802793406552": ElementResult(
        name="Lighthouse",
        description="a white lighthouse",
        views=(View(image="", width=512, height=512),),
        tags=("o_106",),
        owner="kling",
    ),
}
"""The emulator's own presets, by id."""


def _accept(body: Body) -> AcceptedRequest:
    """Checks a request."""
    name = fields.limited(body, "element_name", 20, "element")
    description = fields.limited(body, "element_description", 100, "element")
    kind = fields.choice(body, "reference_type", ("image_refer", "video_refer"), "")
    if not kind:
        raise invalid("reference_type can not be null")
    tags = [fields.required(each, "tag_id", str, "tag_list") for each in fields.objects(body, "tag_list", limit=8)]
    if unknown := set(tags) - set(_TAGS):
        raise invalid(f"tag_id value '{min(unknown)}' is invalid")
    if kind == "image_refer":
        _check_number(body)
    else:
        body = {member: value for member, value in body.items() if member != "element_image_list"}
    pictures = tuple(_pictures(body))
    seen = read_all(pictures)
    result = ElementResult(
        name=name,
        description=description,
        views=tuple(View(image=member, width=image.width, height=image.height) for member, image in seen.items()),
        video_url="" if seen else _video(body),
        tags=tuple(tags),
    )
    check_content(f"{name} {description}")
    return AcceptedRequest(
        **every_task(body),
        units=Decimal(0),
        prompt=f"{name}: {description}",
        parameters=without_data(body, pictures, seen),
        result=result,
        damage=damage(pictures, *seen.values()),
    )


def _complete(request: AcceptedRequest, earlier: Earlier) -> AcceptedRequest:
    """Binds a voice, if the request has one."""
    voice_id = request.parameters.get("element_voice_id")
    if not voice_id or not isinstance(request.result, ElementResult):
        return request
    facts = made(earlier, "voices", voice_id).facts
    voice = tuple((name, facts[name]) for name in ("voice_id", "voice_name", "trial_url", "owned_by"))
    return attrs.evolve(request, result=attrs.evolve(request.result, voice=voice))


def _check_number(body: Mapping[str, Any]) -> None:
    """Checks that there is one frontal picture, and one to three others."""
    listed = fields.required(body, "element_image_list", dict, "element")
    fields.required(listed, "frontal_image", str, "element_image_list")
    others = fields.objects(listed, "refer_images", limit=3)
    if not others:
        raise invalid("refer_images can not be null")
    for each in others:
        fields.required(each, "image_url", str, "refer_images")


def _video(body: Mapping[str, Any]) -> str:
    """Checks the clip, and returns its URL."""
    listed = fields.required(body, "element_video_list", dict, "element")
    videos = fields.objects(listed, "refer_videos", limit=1)
    if not videos:
        raise invalid("refer_videos can not be null")
    fields.required(videos[0], "video_url", str, "refer_videos")
    return video(videos[0], "video_url")


def _pictures(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the pictures of a request, if the element is made from pictures."""
    if body["reference_type"] == "image_refer":
        listed = body["element_image_list"]
        yield "element_image_list.frontal_image", listed["frontal_image"]
        for number, each in enumerate(listed["refer_images"]):
            yield f"element_image_list.refer_images.{number}", each["image_url"]


def _presets(query: Body, context: CallContext) -> list[dict[str, Any]]:
    return context.page(query, _PAGE_MAXIMUM)


def _delete(body: Body, context: CallContext) -> dict[str, Any]:
    return context.delete("elements", fields.required(body, "element_id", str, "element"))


ENDPOINTS: Final = (
    Endpoint(
        path="/v1/general/advanced-custom-elements",
        members=_MEMBERS,
        accept=_accept,
        complete=_complete,
        estimate=lambda _body: Decimal(0),
        generation_seconds=lambda _body: _TYPICAL_SECONDS,
        pictures=_pictures,
        finds_by_external_id=True,
        page_maximum=_PAGE_MAXIMUM,
    ),
    CallEndpoint(path="/v1/general/advanced-presets-elements", answer=_presets, kind="list", presets=_PRESETS),
    # Two pages of the documentation name two paths; both answer alike.
    CallEndpoint(path="/v1/general/delete-advanced-elements", members={"element_id": str}, answer=_delete),
    CallEndpoint(path="/v1/general/delete-elements", members={"element_id": str}, answer=_delete),
)
