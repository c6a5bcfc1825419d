"""`/v1/videos/text2video`: a prompt becomes a video."""

from collections.abc import Iterator
from typing import Final, Literal

import attrs

from kling_async.protocol import records
from kling_async.protocol.capability import CapabilityMap, Feature
from kling_async.protocol.clips import typical_seconds_of, units_by
from kling_async.protocol.converters import AS_TEXT, ON_OFF, none_if_empty, switch, whole_number
from kling_async.protocol.endpoint import Endpoint, Request
from kling_async.protocol.errors import Problem
from kling_async.protocol.records import AspectRatio, CameraControl, Mode, ShotPrompt, ShotType, WatermarkInfo
from kling_async.protocol.results import Voice
from kling_async.protocol.rules import camera, models, settings, shots, task_options, text, voices
from kling_async.protocol.rules.models import MakesClip

KnownModel = Literal[
    "kling-v1",
    "kling-v1-6",
    "kling-v2-master",
    "kling-v2-1-master",
    "kling-v2-5-turbo",
    "kling-v2-6",
    "kling-v3",
]
"""Completions for editors; any other text is accepted, since models come and go."""


@attrs.frozen
class TextToVideo(Request):
    """A video from a prompt: `POST /v1/videos/text2video`.

    What a model can do is in `kling_async.capabilities(TextToVideo)`.

    Attributes:
        prompt: what happens, at most 2500 characters; required, unless `shot_type` is `customize`: then `multi_prompt`
            is used.
        model_name: always sent (the service's own default is the oldest model).
        negative_prompt: what must not happen, at most 2500 characters.
        multi_shot: several shots in one video (kling-v3).
        shot_type: `customize` or `intelligence`; required with `multi_shot`.
        multi_prompt: 1 to 6 shots; required with `customize`.
        voice_list: at most 2 voices or their ids, with `sound=True`; which models take them is not certain.
        sound: whether the video has sound; True and False, or the documented `"on"` and `"off"`.
        cfg_scale: 0 to 1, how closely the prompt is followed; probably without effect on kling-v2.x and kling-v3.
        mode: `std` (720p), `pro` (1080p) or `4k` (kling-v3); the service's default is `std`.
        camera_control: how the camera moves (kling-v1 in `std`, 5 seconds).
        aspect_ratio: `16:9` (the service's default), `9:16` or `1:1`.
        duration: whole seconds: 5 or 10; 3 to 15 with kling-v3.
        watermark_info: whether a watermarked video is made as well.
        callback_url: address that the service posts status changes to.
        external_task_id: your own id, unique in the account; generated if omitted.
    """

    prompt: str | None = None
    model_name: KnownModel | str = attrs.field(default="kling-v2-6", kw_only=True)
    negative_prompt: str | None = attrs.field(default=None, kw_only=True)
    multi_shot: bool | None = attrs.field(default=None, kw_only=True)
    shot_type: ShotType | None = attrs.field(default=None, kw_only=True)
    multi_prompt: tuple[ShotPrompt, ...] | None = attrs.field(
        default=None, converter=records.multi_prompt, kw_only=True
    )
    voice_list: tuple[Voice, ...] | None = attrs.field(default=None, converter=records.voice_list, kw_only=True)
    sound: bool | None = attrs.field(default=None, converter=switch, metadata=ON_OFF, kw_only=True)
    cfg_scale: float | None = attrs.field(default=None, kw_only=True)
    mode: Mode | None = attrs.field(default=None, kw_only=True)
    camera_control: CameraControl | None = attrs.field(default=None, converter=records.camera_control, kw_only=True)
    aspect_ratio: AspectRatio | None = attrs.field(default=None, kw_only=True)
    duration: int = attrs.field(default=5, converter=whole_number, metadata=AS_TEXT, kw_only=True)
    watermark_info: WatermarkInfo | None = attrs.field(default=None, converter=records.watermark_info, kw_only=True)
    callback_url: str | None = attrs.field(default=None, converter=none_if_empty, repr=False, kw_only=True)
    external_task_id: str | None = attrs.field(default=None, converter=none_if_empty, kw_only=True)


# ------------------------------------------------------------------------------------------------- rules


def no_picture(request: TextToVideo) -> Iterator[Problem]:
    """The prompt is not the name of a picture, which is meant for another endpoint."""
    yield from text.no_picture_name(
        request, "say what happens in the video, or make one from the picture with image to video"
    )


def takes_text(request: TextToVideo) -> Iterator[Problem]:
    """Two models require a picture in every mode, by the capability map of 2026-09."""
    if request.model_name in ("kling-v1-5", "kling-v2-1"):  # not a set: a value of another type may not be hashable
        yield Problem("model_name", f"{request.model_name} makes videos from pictures only", by_map=True)


# --------------------------------------------------------------------------------------- map and prices

FEATURES: tuple[Feature[TextToVideo], ...] = (
    Feature(
        name="camera",
        field="camera_control",
        heading="camera",
        used=lambda request: bool(request.camera_control),
    ),
    # The documentation itself says "v2-6 and later; v2-6 only with mode pro"; other refusals rest on the map alone.
    Feature(
        name="sound", without="sound off", heading="sound", documented=True, used=lambda request: request.sound is True
    ),
    Feature(name="voice_list", heading="voices", needs="sound", used=lambda request: bool(request.voice_list)),
    Feature(name="cfg_scale", heading="cfg", only_warns=True, used=lambda request: request.cfg_scale is not None),
    Feature(name="multi_shot", heading="shots", used=lambda request: request.multi_shot is True),
)

# Sources disagree on voices: some clients send them, the map of 2026-05 names no model. `?` refuses nothing.
_MAP = """
#                               camera sound voice cfg  multi
# model_name         mode  s                            shot   size  fps
kling-v1             std   5    y      -     ?     y    -      720p  30
kling-v1             std   10   -      -     ?     y    -      720p  30
kling-v1             pro   5,10 -      -     ?     y    -      720p  30
kling-v1-6           std   5,10 -      -     ?     y    -      720p  24
kling-v1-6           pro   5,10 -      -     ?     y    -      1080p 24
kling-v2-master      any   5,10 -      -     ?     -    -      720p  24
kling-v2-1-master    any   5,10 -      -     ?     -    -      1080p 24
kling-v2-5-turbo     std   5,10 -      -     ?     -    -      720p  24
kling-v2-5-turbo     pro   5,10 -      -     ?     -    -      1080p 24
kling-v2-6           std   5,10 -      -     ?     -    -      720p  ?
kling-v2-6           pro   5,10 -      y     ?     -    -      1080p ?
kling-v3             std   3-15 ?      y     ?     ?    y      720p  ?
kling-v3             pro   3-15 ?      y     ?     ?    y      1080p ?
kling-v3             4k    3-15 ?      y     ?     ?    y      4k    ?
"""

# The price table of 2026-09.
_PRICES = """
# model_name         mode  silent sound voice
kling-v1             std   0.2    ?     ?
kling-v1             pro   0.7    ?     ?
kling-v1-6           std   0.4    ?     ?
kling-v1-6           pro   0.7    ?     ?
kling-v2-master      any   2      ?     ?
kling-v2-1-master    any   2      ?     ?
kling-v2-5-turbo     std   0.3    ?     ?
kling-v2-5-turbo     pro   0.5    ?     ?
kling-v2-6           std   0.3    ?     ?
kling-v2-6           pro   0.5    1.0   1.2
kling-v3             std   0.6    0.9   ?
kling-v3             pro   0.8    1.2   ?
kling-v3             4k    3      3     ?
"""

# Announced for all of them; users measured it for kling-v1-6, kling-v2-master and kling-v2-1-master (2026-10-01).
_RETIRED = """
# model_name         since       instead
kling-v1             2026-09-15  kling-v2-6
kling-v1-6           2026-09-15  kling-v2-6
kling-v2-master      2026-09-15  kling-v2-6
kling-v2-1-master    2026-09-15  kling-v2-6
"""

# Users measured 319 s on average, compared to 164 s from pictures.
_TIMES_LONGER: Final = 319 / 164


def typical_seconds(request: MakesClip | None) -> float:
    """Returns about twice the time of a video from a picture."""
    return _TIMES_LONGER * typical_seconds_of(request)


CAPABILITIES = CapabilityMap(FEATURES, _MAP, _PRICES, retired=_RETIRED)
_BY_MODEL = models.ModelRules(CAPABILITIES)
_WORDS = settings.Words(CAPABILITIES)

ENDPOINT = Endpoint(
    path="/v1/videos/text2video",
    record=TextToVideo,
    rules=(
        shots.prompt_or_shots,
        no_picture,
        models.model_name,
        takes_text,
        _BY_MODEL.mode,
        _BY_MODEL.duration,
        settings.sound,
        text.prompt,
        text.negative_prompt,
        settings.cfg_scale,
        _WORDS.aspect_ratio,
        shots.shots,
        voices.uncertain_voices,
        camera.camera_control,
        task_options.watermark_info,
        task_options.callback_url,
        task_options.external_task_id,
        _BY_MODEL.abilities,
    ),
    capabilities=CAPABILITIES,
    units=units_by(CAPABILITIES),
    typical_seconds=typical_seconds,
    finds_by_external_id=True,
)
