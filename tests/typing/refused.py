"""User code of which both type checkers must refuse each marked line: an unneeded mark is an error in both."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

import asyncio

import kling_async
from kling_async import ImageToVideo, Intent, KlingClient, RawCall, RawTask, current
from kling_async.protocol import endpoints


async def wrong_parameters(kling: KlingClient) -> None:
    """A method refuses the parameters that its record refuses."""
    await kling.image_to_video("cat.jpg", mode="fast")  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", promt="a cat")  # type: ignore[call-arg]
    await kling.image_to_video("cat.jpg", prompt=5)  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", "a cat")  # type: ignore[call-arg]
    await kling.image_to_video(5)  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", image="dog.jpg")  # type: ignore[misc]
    await kling.image_to_video("cat.jpg", duration=[5])  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", sound="loud")  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", shot_type="mine")  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", multi_prompt=["a", "b"])  # type: ignore[list-item]
    await kling.image_to_video("cat.jpg", element_list=5)  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", camera_control="zoom")  # type: ignore[arg-type]
    await kling.image_to_video("cat.jpg", strict=False)  # type: ignore[call-arg]
    await kling.image_to_video("cat.jpg", if_exists="adopt")  # type: ignore[call-arg]
    await kling.image_to_vidoe("cat.jpg")  # type: ignore[attr-defined]


def wrong_current_requests() -> None:
    """Current records require a model and their own terms; each has the settings of its paths."""
    current.ImageToVideo("cat.jpg")  # type: ignore[call-arg]
    current.ImageToVideo("cat.jpg", "kling-3.0")  # type: ignore[call-arg]
    current.ImageToVideo("cat.jpg", model="kling-3.0", audio="loud")  # type: ignore[arg-type]
    current.ImageToVideo("cat.jpg", model="kling-3.0", resolution="8k")  # type: ignore[arg-type]
    current.ImageToVideo("cat.jpg", model="kling-3.0", aspect_ratio="1:1")  # type: ignore[call-arg]
    current.ImageToVideo("cat.jpg", model="kling-3.0", elements=[5])  # type: ignore[list-item]
    current.TextToVideo(5, model="kling-3.0")  # type: ignore[arg-type]
    current.MotionControl("a.png", model="kling-3.0", video=b"mp4")  # type: ignore[arg-type]
    current.from_legacy(kling_async.VideoEffect("hug"))  # type: ignore[call-overload]


def wrong_budgets() -> None:
    """A budget names its unit and has a known window."""
    kling_async.Budget(60)  # type: ignore[call-arg]
    kling_async.Budget(units=60, per="week")  # type: ignore[arg-type]
    KlingClient(budget=60)  # type: ignore[arg-type]


async def wrong_input_videos(kling: KlingClient) -> None:
    """A video is an address or the result of an earlier task."""
    await kling.omni_video("a cat", video_list="https://h/a.mp4", mode="8k")  # type: ignore[arg-type]
    await kling.omni_video("a cat", video_list=[b"mp4"])  # type: ignore[list-item]
    await kling.omni_video("a cat", image_list=[5])  # type: ignore[list-item]
    await kling.motion_control("cat.png", video_url=b"mp4")  # type: ignore[arg-type]
    await kling.motion_control("cat.png", video="https://h/a.mp4")  # type: ignore[arg-type]
    await kling.motion_control("cat.png", character_orientation="left")  # type: ignore[arg-type]
    await kling.motion_control("cat.png", duration=5)  # type: ignore[call-arg]


async def wrong_pictures(kling: KlingClient) -> None:
    """The endpoints for pictures check their parameters as well."""
    await kling.generate_images("a cat", n=[2])  # type: ignore[arg-type]
    await kling.generate_images("a cat", image_reference="style")  # type: ignore[arg-type]
    await kling.omni_image("a cat", image_list=5)  # type: ignore[arg-type]
    await kling.omni_image("a cat", image_list=[5])  # type: ignore[list-item]
    await kling.omni_image("a cat", result_type="film")  # type: ignore[arg-type]
    await kling.multi_image_to_image(["a.png"], "b.png")  # type: ignore[call-arg]
    await kling.expand_image("a.png", up_expansion_ratio="1")  # type: ignore[arg-type]


async def wrong_sounds(kling: KlingClient) -> None:
    """A sound or an earlier result of a wrong type is refused."""
    await kling.avatar("cat.jpg", sound_file=5)  # type: ignore[arg-type]
    await kling.avatar("cat.jpg", audio="7")  # type: ignore[arg-type]
    await kling.lip_sync("session")  # type: ignore[call-arg]
    await kling.video_effect("pet_dance", "cat.jpg")  # type: ignore[call-arg]


async def wrong_options(kling: KlingClient) -> None:
    """Options are checked in every call that takes them."""
    request = ImageToVideo("cat.jpg")
    await kling.submit(request, if_exists="adpot")  # type: ignore[call-overload]
    await kling.submit(request, on_doubt=True)  # type: ignore[call-overload]
    await kling.submit(request, deadline="1h")  # type: ignore[call-overload]
    await kling.submit(request, stict=False)  # type: ignore[call-overload]
    await kling.generate(request, "cat.mp4", stict=False)  # type: ignore[call-arg]
    await kling.generate(request, "cat.mp4", if_exists="adpot")  # type: ignore[arg-type]
    await kling.generate(request, 5)  # type: ignore[arg-type]


async def missing_await(kling: KlingClient) -> None:
    """A coroutine is no handle, a handle is no task, and a call that is not awaited does nothing."""
    kling.image_to_video("cat.jpg")  # type: ignore[unused-coroutine]
    kling.submit(ImageToVideo("cat.jpg"))  # type: ignore[unused-coroutine]
    _ = kling.image_to_video("cat.jpg").reference  # type: ignore[attr-defined]
    _ = (await kling.image_to_video("cat.jpg")).videos  # type: ignore[attr-defined]
    await kling.image_to_video("cat.jpg").save("cat.mp4")  # type: ignore[attr-defined]
    await asyncio.gather(kling.attach)  # type: ignore[call-overload]


async def wrong_raw(kling: KlingClient, intent: Intent) -> None:
    """A call is no task and takes no options; paths and bodies have types."""
    call = RawCall("GET", "/account/costs")
    await kling.submit(call, strict=False)  # type: ignore[call-overload]
    await kling.submit(call, deadline=5)  # type: ignore[call-overload]
    await kling.generate(call, "cat.mp4")  # type: ignore[arg-type]
    kling_async.capabilities(call)  # type: ignore[arg-type]
    RawCall("get", "/account/costs")  # type: ignore[arg-type]
    RawCall("GET", "/account/costs", "start_time=1")  # type: ignore[arg-type]
    RawCall("/account/costs")  # type: ignore[call-arg, arg-type]
    RawTask("/v1/a")  # type: ignore[call-arg]
    RawTask("/v1/a", [])  # type: ignore[arg-type]
    RawTask(b"/v1/a", {})  # type: ignore[arg-type]
    RawTask("/v1/a", {}, "job-1")  # type: ignore[call-arg, arg-type]
    RawTask("/v1/a", {}).body = {}  # type: ignore[misc]
    await kling.submit(RawTask("/v1/a", {}), if_exists="adpot")  # type: ignore[call-overload]
    await kling.submit({"path": "/v1/a"})  # type: ignore[call-overload]
    await kling.get_task(intent.reference)  # type: ignore[arg-type]


def wrong_records() -> None:
    """Records refuse the same, with any import path."""
    ImageToVideo("cat.jpg", mode="fast")  # type: ignore[arg-type]
    ImageToVideo(promt="a cat")  # type: ignore[call-arg]
    ImageToVideo("cat.jpg", "a cat")  # type: ignore[call-arg]
    endpoints.ImageToVideo(prompt=5)  # type: ignore[arg-type]
    ImageToVideo("cat.jpg").prompt = "a dog"  # type: ignore[misc]
    kling_async.estimate("cat.jpg")  # type: ignore[arg-type]
    kling_async.nothing()  # type: ignore[attr-defined]
    KlingClient("key")  # type: ignore[call-arg]
    KlingClient(concurrency="5")  # type: ignore[arg-type]


async def wrong_models(kling: KlingClient) -> None:
    """A method that a model lacks, a parameter that its record lacks, and a second model are refused."""
    _ = kling.model("kling-3.0-turbo").omni_video  # type: ignore[attr-defined]
    _ = kling.model("kling-3.0-omni").image_to_video  # type: ignore[attr-defined]
    await kling.model("kling-3.0-turbo").image_to_video("cat.png", model="kling-3.0")  # type: ignore[call-arg]
    await kling.model("kling-3.0-turbo").image_to_video("cat.png", resolution="480p")  # type: ignore[arg-type]
    await kling.model("kling-3.0").text_to_video("a cat", first_frame="cat.png")  # type: ignore[call-arg]
    kling.model("kling-3.0").text_to_video("a cat")  # type: ignore[unused-coroutine]
    kling.model(3)  # type: ignore[call-overload]
