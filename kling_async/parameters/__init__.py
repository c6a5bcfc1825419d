"""The parameters of a model's methods: those of a request record, except the model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_async.protocol.endpoints.current.image_to_video import ImageToVideoParameters as ImageToVideoParameters
    from kling_async.protocol.endpoints.current.motion_control import MotionControlParameters as MotionControlParameters
    from kling_async.protocol.endpoints.current.omni_video import OmniVideoParameters as OmniVideoParameters
    from kling_async.protocol.endpoints.current.text_to_video import TextToVideoParameters as TextToVideoParameters
else:
    from kling_async.lazy_exports import import_on_use

    __getattr__, __dir__ = import_on_use(__name__)
