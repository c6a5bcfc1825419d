"""A request in, all its problems out; nothing is sent as long as one of them is more than a warning.

`values` looks at single values, `settings` and `pictures` hold the rules of the image2video documentation,
`combinations` what excludes each other and what the capability map says of the model.
"""

from collections.abc import Mapping

from kling_async.protocol.errors import Problem
from kling_async.protocol.media.image_header import ImageFacts
from kling_async.protocol.records import ImageToVideo
from kling_async.protocol.rules import combinations, pictures, settings
from kling_async.protocol.rules.pictures import images_of

__all__ = ["check", "images_of"]

_RULES = (
    combinations.model_name,
    combinations.mode,
    combinations.duration,
    combinations.sound,
    settings.prompts,
    settings.cfg_scale,
    settings.shots,
    settings.elements,
    settings.voices,
    settings.camera_control,
    settings.watermark_info,
    settings.callback_url,
    settings.external_task_id,
    combinations.exclusions,
    combinations.abilities,
)


def check(request: ImageToVideo, images: Mapping[str, ImageFacts]) -> list[Problem]:
    """Finds everything that is wrong with a request; never raises.

    Args:
        request: with whatever values it was given.
        images: what is known of its local pictures, by field path as in `images_of`. A picture without an entry is
            not looked into.

    Returns:
        The problems, each with its field; those with `by_map` rest on the capability map alone,
        those with `only_warns` refuse nothing.
    """
    problems = [*pictures.pictures(request, images), *pictures.masks(request, images)]
    for rule in _RULES:
        problems += rule(request)
    return problems
