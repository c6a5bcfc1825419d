"""The endpoints, one file each: the record of its requests, its rules, its capability map and its prices.

An endpoint is added by its file and by one line below, which exports its record: for type checkers, and at run time,
where the file is imported when the record is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_async.protocol.endpoints.account.account_costs import AccountCosts as AccountCosts
    from kling_async.protocol.endpoints.account.account_costs import ResourcePack as ResourcePack
    from kling_async.protocol.endpoints.account.billing import BillingFilter as BillingFilter
    from kling_async.protocol.endpoints.account.billing import Deduction as Deduction
    from kling_async.protocol.endpoints.account.billing_balance import BalanceDetail as BalanceDetail
    from kling_async.protocol.endpoints.account.billing_balance import BillingBalance as BillingBalance
    from kling_async.protocol.endpoints.account.billing_package import BillingPackage as BillingPackage
    from kling_async.protocol.endpoints.account.billing_package import PackageDetail as PackageDetail
    from kling_async.protocol.endpoints.assets.create_element import CreateElement as CreateElement
    from kling_async.protocol.endpoints.assets.create_element import ElementImageList as ElementImageList
    from kling_async.protocol.endpoints.assets.create_element import ElementVideoList as ElementVideoList
    from kling_async.protocol.endpoints.assets.create_voice import CreateVoice as CreateVoice
    from kling_async.protocol.endpoints.assets.delete_element import DeleteElement as DeleteElement
    from kling_async.protocol.endpoints.assets.delete_voice import DeleteVoice as DeleteVoice
    from kling_async.protocol.endpoints.assets.identify_faces import IdentifyFaces as IdentifyFaces
    from kling_async.protocol.endpoints.assets.preset_elements import PresetElements as PresetElements
    from kling_async.protocol.endpoints.assets.preset_voices import PresetVoices as PresetVoices
    from kling_async.protocol.endpoints.audio.text_to_audio import TextToAudio as TextToAudio
    from kling_async.protocol.endpoints.audio.text_to_speech import TextToSpeech as TextToSpeech
    from kling_async.protocol.endpoints.audio.video_to_audio import VideoToAudio as VideoToAudio
    from kling_async.protocol.endpoints.images.expand_image import ExpandImage as ExpandImage
    from kling_async.protocol.endpoints.images.generate_images import GenerateImages as GenerateImages
    from kling_async.protocol.endpoints.images.multi_image_to_image import MultiImageToImage as MultiImageToImage
    from kling_async.protocol.endpoints.images.omni_image import OmniImage as OmniImage
    from kling_async.protocol.endpoints.videos.avatar import Avatar as Avatar
    from kling_async.protocol.endpoints.videos.image_to_video import ImageToVideo as ImageToVideo
    from kling_async.protocol.endpoints.videos.lip_sync import FaceChoice as FaceChoice
    from kling_async.protocol.endpoints.videos.lip_sync import LipSync as LipSync
    from kling_async.protocol.endpoints.videos.motion_control import MotionControl as MotionControl
    from kling_async.protocol.endpoints.videos.omni_video import InputImage as InputImage
    from kling_async.protocol.endpoints.videos.omni_video import InputVideo as InputVideo
    from kling_async.protocol.endpoints.videos.omni_video import OmniVideo as OmniVideo
    from kling_async.protocol.endpoints.videos.text_to_video import TextToVideo as TextToVideo
    from kling_async.protocol.endpoints.videos.video_effect import VideoEffect as VideoEffect
else:
    from kling_async.lazy_exports import import_on_use

    __getattr__, __dir__ = import_on_use(__name__)
