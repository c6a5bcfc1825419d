"""User code that both type checkers must accept: every way to call the package."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

from aiohttp import web

import kling_async
from kling_async import (
    AimedPolling,
    CameraConfig,
    CameraControl,
    Capability,
    Cell,
    DynamicMask,
    Element,
    Estimate,
    Image,
    ImageToVideo,
    InputImage,
    InputVideo,
    Intent,
    KlingClient,
    KlingError,
    Point,
    Polling,
    RawCall,
    RawTask,
    Request,
    Retry,
    ShotPrompt,
    Task,
    TaskHandle,
    TaskTimeout,
    UnexpectedAnswer,
    Voice,
    WatermarkInfo,
    current,
)
from kling_async.web import (
    EVENT_HEADERS,
    CallbackReceiver,
    WebhookAnswer,
    aiohttp_response,
    asgi_response,
    progress_events,
)


def show(*values: object) -> None:
    """Takes anything."""


async def keep(intent: Intent) -> None:
    """A hook that gets a request before it is sent."""
    reference: str | None = intent.reference
    show(reference, intent.external_task_id, intent.request)


def clients() -> list[KlingClient]:
    """Clients without options, and with all options by name."""
    return [
        KlingClient(),
        KlingClient(api_key="key", concurrency=5, polling=AimedPolling(lag=0.05), on_intent=keep),
        KlingClient(api_key="key", callback_url="https://me.example/kling/{token}"),
        KlingClient(access_key="a", secret_key="s", polling=Polling(first=5), retry=Retry(), queue_deadline=60),
    ]


async def input_videos(kling: KlingClient, earlier: Task) -> None:
    """Videos as addresses or results of an earlier task, bare or with their options."""
    [made] = earlier.videos
    frame = InputImage(image_url=Path("cat.png"), type="first_frame")
    await kling.omni_video("a cat", image_list=["cat.png", b"png", frame, {"image_url": "a.png"}], duration="10")
    await kling.omni_video("purple", video_list=[made, "https://h/a.mp4"], mode=None)
    await kling.omni_video(
        "purple", video_list=[InputVideo(video=made, refer_type="feature", keep_original_sound="no")]
    )
    await kling.omni_video("purple", video_list=[{"video_url": "https://h/a.mp4", "keep_original_sound": False}])
    await kling.motion_control("cat.png", video_url="https://h/a.mp4", character_orientation="image", mode="std")
    await kling.motion_control("cat.png", video=made, keep_original_sound="yes", element_list=[earlier.elements[0]])


async def the_current_generation(kling: KlingClient, earlier: Task) -> None:
    """Pictures in all forms, named materials, prompts as text or shots; models of any name."""
    [made] = earlier.videos
    await kling.submit(current.ImageToVideo("cat.png", model="kling-3.0-turbo"), deadline=600)
    await kling.submit(
        current.ImageToVideo(first_frame=b"png", model="kling-9", last_frame=Path("b.png"), duration="5")
    )
    hero, anna = earlier.elements[0], earlier.voices[0]
    await kling.submit(
        current.ImageToVideo({"a": "a.png"}, model="kling-3.0", elements={"hero": hero, "b": 5, "c": "6"})
    )
    await kling.submit(
        current.ImageToVideo("a.png", model="kling-2.6", voices={"anna": anna, "joe": "5"}, audio="native")
    )
    shots = [current.Shot("a boat leaves", 3), current.Shot("it meets a whale", 4)]
    await kling.submit(current.TextToVideo(shots, model="kling-3.0", resolution="4k", aspect_ratio="1:1"))
    named = current.NamedImage("a.png", id="a")
    await kling.submit(
        current.OmniVideo(
            "a cat", model="kling-o1", refer_images=[named, "b.png", earlier.images[0]], feature_video=made
        )
    )
    await kling.submit(current.OmniVideo("a cat", model="kling-o1", refer_images={"a": b"png"}, base_video={"v": made}))
    motion = current.MotionControl("a.png", model="kling-3.0", video="https://h/a.mp4", character_orientation="video")
    assert_type(await kling.submit(motion), TaskHandle)
    assert_type(current.from_legacy(ImageToVideo("cat.jpg"), model="kling-3.0"), current.ImageToVideo)
    assert_type(current.problems("/image-to-video/kling-3.0", {"contents": []}), list[kling_async.Problem])


async def pictures(kling: KlingClient, earlier: Task) -> None:
    """Pictures in all their forms; lists of them, bare or as documented."""
    await kling.generate_images("a cat", n=2, image=earlier.images[0], aspect_ratio="21:9", resolution="8k")
    await kling.omni_image("a cat", image_list=["a.png", Path("b.png"), b"PNG"], series_amount="auto")
    await kling.omni_image("a cat", image_list=({"image": name} for name in ("a.png", "b.png")), series_amount=4)
    await kling.omni_image("a cat", image_list=earlier.images, element_list=[7], result_type="series")
    await kling.multi_image_to_image([earlier.images[0], "a.png"], scene_image="b.png", style_image=b"PNG")
    await kling.multi_image_to_image([{"subject_image": "a.png"}])
    await kling.submit(kling_async.ExpandImage("a.png", up_expansion_ratio=1, left_expansion_ratio=0.5))


async def by_the_method(kling: KlingClient) -> TaskHandle:
    """The first parameter by position or by name; nested values as records, dicts or ids."""
    await kling.image_to_video("cat.jpg")
    await kling.image_to_video(Path("cat.jpg"), prompt="the cat turns its head", mode="pro", duration=10)
    await kling.image_to_video(b"\x89PNG", sound="on", duration="5", model_name="kling-v3")
    await kling.image_to_video(Image.from_base64("iVBOR"), sound=True, cfg_scale=1, model_name="kling-v9-not-out-yet")
    await kling.image_to_video(image="a.jpg", image_tail="https://example.com/b.jpg", watermark_info={"enabled": True})
    await kling.image_to_video(
        image="cat.jpg",
        camera_control=CameraControl(type="simple", config=CameraConfig(zoom=5)),
        element_list=[Element(element_id=5), 6, {"element_id": 7}],
        voice_list=[Voice(voice_id="5"), "6", {"voice_id": "7"}],
        watermark_info=WatermarkInfo(enabled=True),
    )
    await kling.image_to_video(
        image="cat.jpg",
        multi_shot=True,
        shot_type="customize",
        multi_prompt=[ShotPrompt(index=1, prompt="a", duration=2), {"index": 2, "prompt": "b", "duration": 3}],
    )
    masks = [DynamicMask(mask="m.png", trajectories=[Point(x=1, y=2), {"x": 3, "y": 4}])]
    await kling.image_to_video("cat.jpg", dynamic_masks=masks, static_mask=Path("s.png"))
    handle = await kling.image_to_video("cat.jpg", external_task_id="job-1")
    assert_type(handle, TaskHandle)
    return handle


async def by_the_record(kling: KlingClient, directory: Path) -> Path:
    """A record is submitted with options, or made into a file."""
    request = ImageToVideo("cat.jpg", prompt="the cat turns its head", mode="4k")
    assert_type(await kling.submit(request), TaskHandle)
    await kling.submit(request, strict=False, if_exists="adopt", on_doubt="raise", deadline=600, queue_deadline=None)
    await kling.submit(ImageToVideo(image="cat.jpg"), deadline=0.5)
    await kling.generate(request, "cat.mp4", overwrite=True, watermark=False, strict=False, deadline=600)
    path = await kling.generate(request, directory / "cat.mp4", if_exists="adopt")
    assert_type(path, Path)
    return path


async def without_a_record(kling: KlingClient, directory: Path) -> Any:
    """A path without a record: a task like any other, and a call that is awaited for its data."""
    request = RawTask("/v1/general/ai-multi-shot", {"element_frontal_image": "https://example.com/cat.png", "n": None})
    handle = await kling.submit(request)
    assert_type(handle, TaskHandle)
    assert_type((await handle).raw, Any)
    await kling.submit(RawTask("/v1/a", {}, finds_by_external_id=True), if_exists="adopt", on_doubt="raise", deadline=5)
    await kling.submit(RawTask("/v1/a", body={}, external_task_id="job-1"), queue_deadline=None)
    assert_type(await kling.generate(request, directory / "cat.mp4", overwrite=True), Path)
    either: list[Request] = [request, ImageToVideo("cat.jpg")]
    assert_type([await kling.submit(one) for one in either], list[TaskHandle])
    assert_type(kling_async.estimate(request), Estimate)
    try:
        data = await kling.submit(RawCall("GET", "/account/costs", {"start_time": 1, "end_time": 2}))
    except UnexpectedAnswer as error:
        return error.data
    assert_type(data, Any)
    await kling.submit(RawCall("POST", "/v1/general/delete-voices", {"voice_id": "5"}))
    show(data["resource_pack_subscribe_infos"][0])
    return await kling.submit(RawCall(method="DELETE", path="/v1/a", body=None))


async def many(kling: KlingClient, images: list[str]) -> list[Path]:
    """Tasks in a group, gathered, in sequence, and by a method that is passed as a function."""
    async with asyncio.TaskGroup() as group:
        submitting = [group.create_task(kling.image_to_video(image, mode="std")) for image in images]
    handles = [task.result() for task in submitting]
    tasks = await asyncio.gather(*handles)
    assert_type(tasks, list[Task])
    submit: Callable[..., Coroutine[Any, Any, TaskHandle]] = kling.image_to_video
    handles.append(await submit("dog.jpg"))
    handles.append(await KlingClient.image_to_video(kling, "dog.jpg", duration=5))
    return await asyncio.gather(*(handle.save("out/") for handle in handles))


async def afterwards(kling: KlingClient, reference: str) -> Task:
    """All uses of a task after its submission."""
    await kling.check(ImageToVideo("cat.jpg"))
    handle = kling.attach(reference)
    handle.add_done_callback(lambda done: show(done.reference))
    async for task in handle.updates():
        show(task.status.value, task.videos)
    async for task in kling.tasks("image2video", page_size=500):
        show(task.reference)
    try:
        return await asyncio.wait_for(handle.wait(), 60)
    except TaskTimeout as error:
        show(error.reference, error.remedy)
    except KlingError as error:
        show(error.code, error.message)
    return await kling.get_task(reference)


async def speaking(kling: KlingClient, task: Task) -> None:
    """Sounds in all their forms, and earlier results."""
    speech = await kling.text_to_speech("Hello", voice_id="calm_story1", voice_language="en")
    await kling.avatar("cat.jpg", sound_file="speech.mp3", mode="pro")
    await kling.avatar(task.images[0], audio=speech.audios[0])
    await kling.avatar(b"\x89PNG", sound_file=kling_async.Sound.from_base64("SUQz"), audio_id=None)
    faces = await kling.identify_faces(video_id="5")
    times = {"sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0}
    await kling.lip_sync(faces, face_choose=[{"face": faces.face_data[0], "audio": speech.audios[0], **times}])
    choice = kling_async.FaceChoice(
        face_id="0", sound_file=Path("a.wav"), sound_start_time=0, sound_end_time=2000, sound_insert_time=0
    )
    await kling.lip_sync("session", face_choose=(choice,))
    await kling.video_effect("hug_pro", images=["cat.jpg", task.images[0]], duration="5")
    assert_type(await kling.video_effect("pet_dance", image=Path("cat.jpg")), TaskHandle)


async def library(kling: KlingClient, task: Task) -> None:
    """Lists, item by item and as a whole; earlier results as arguments."""
    async for voice in kling.preset_voices(page_size=1000):
        assert_type(voice, kling_async.Voice)
    assert_type(await kling.preset_elements(), list[kling_async.Element])
    assert_type(await kling.submit(kling_async.PresetVoices()), list[kling_async.Voice])
    await kling.delete_voice(task.voices[0])
    await kling.delete_element(task.elements[0])
    await kling.delete_element(829836802793406551)
    element = await kling.create_element(
        "robot",
        element_description="small blue robot",
        reference_type="image_refer",
        element_image_list={"frontal_image": "front.png", "refer_images": ["side.png", b""]},
        element_voice_id=task.voices[0],
        tag_list=["o_102"],
    )
    handle = await kling.create_voice("narrator", video=task.videos[0])
    show((await handle).voices[0].trial_url)
    faces = await kling.identify_faces(task.videos[0])
    show(faces.session_id, faces.face_data[0].face_id, (await element).elements[0].element_id)


async def budgets() -> None:
    """Amounts as numbers or text, windows as words or lengths; the remaining amount and the reason of a refusal."""
    for budget in (
        kling_async.Budget(units=60, per="day", name="cats", failed_is_free=True),
        kling_async.Budget(usd="9.99", per=timedelta(hours=1), change=True, assume=0.5),
        kling_async.Budget(units=Decimal("1.5")),
    ):
        async with KlingClient(budget=budget) as kling:
            spending = await kling.spending()
            show(spending.unit, spending.limit, spending.reserved + spending.settled, spending.left)
            try:
                await kling.image_to_video("cat.jpg")
            except kling_async.BudgetExceeded as error:
                assert_type(error.asked - error.left + error.reserved, Decimal)


async def over_http(kling: KlingClient, request: web.Request) -> web.StreamResponse:
    """A result as an HTTP response, in one line or by hand, and its progress."""
    handle = kling.attach(request.match_info["reference"])
    async with handle.open(method=request.method, headers=request.headers, watermark=True) as video:
        assert_type(video, kling_async.OpenFile)
        response = web.StreamResponse(status=video.status, headers=video.headers)
        await response.prepare(request)
        async for chunk in video:
            assert_type(chunk, bytes)
            await response.write(chunk)
    async for event in progress_events(handle):
        assert_type(event, bytes)
    show(handle.progress.share * 100, handle.progress.seconds_left, asgi_response(handle), EVENT_HEADERS)
    show(asgi_response(handle, headers={"Cache-Control": "private"}))
    return await aiohttp_response(handle, request, headers={"Cache-Control": "private"})


async def callbacks(kling: KlingClient) -> None:
    """Callbacks with any framework."""
    receiver = CallbackReceiver(kling, secrets=["whsec_AAAA"], allow_unsigned=True)
    answer = await receiver.handle("POST", "/kling?a=b", {"webhook-id": "m"}, b"{}")
    assert_type(answer, WebhookAnswer)
    show(answer.status, dict(answer.headers), answer.body)


def without_a_client() -> Estimate:
    """The capability map and the price."""
    rows: tuple[Capability, ...] = kling_async.capabilities()
    show([row.model_name for row in rows if row.tail is Cell.YES], kling_async.__version__)
    return kling_async.estimate(kling_async.ImageToVideo(mode="pro"))


async def models(kling: KlingClient, name: str) -> None:
    """Each model has its methods, with the record's parameters except for the model."""
    turbo = kling.model("kling-3.0-turbo")
    assert_type(await turbo.image_to_video("cat.png", prompt="a cat", duration=5), TaskHandle)
    assert_type(await turbo.text_to_video("a cat", aspect_ratio="16:9"), TaskHandle)
    assert_type(await kling.model("kling-3.0").motion_control("cat.png", video="https://h/a.mp4"), TaskHandle)
    assert_type(await kling.model("kling-o1").omni_video("a cat", refer_images={"cat": "cat.png"}), TaskHandle)
    newer = kling.model(name)
    show(newer.text_to_video, newer.image_to_video, newer.omni_video, newer.motion_control, newer.name)
