"""The current generation: the records of its requests, their parts, and checks of hand-written bodies.

The model is a segment of the path, so four records cover all paths. `table` has what each path accepts.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_async.protocol.endpoints.current.checks import problems as problems
    from kling_async.protocol.endpoints.current.from_legacy import from_legacy as from_legacy
    from kling_async.protocol.endpoints.current.image_to_video import ImageToVideo as ImageToVideo
    from kling_async.protocol.endpoints.current.materials import NamedElement as NamedElement
    from kling_async.protocol.endpoints.current.materials import NamedImage as NamedImage
    from kling_async.protocol.endpoints.current.materials import NamedVideo as NamedVideo
    from kling_async.protocol.endpoints.current.materials import NamedVoice as NamedVoice
    from kling_async.protocol.endpoints.current.materials import Shot as Shot
    from kling_async.protocol.endpoints.current.motion_control import MotionControl as MotionControl
    from kling_async.protocol.endpoints.current.omni_video import OmniVideo as OmniVideo
    from kling_async.protocol.endpoints.current.text_to_video import TextToVideo as TextToVideo
else:
    from kling_async.lazy_exports import import_on_use

    __getattr__, __dir__ = import_on_use(__name__)
