"""The documentation's examples for paths without a record, run against a server with recorded responses.

Each function holds lines as the documentation shows them.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest

from kling_async import KlingClient, RawCall, RawTask, RequestRefused, TaskHandle, Video
from tests.protocol.recorded_bodies import OTHERS
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, Seen, answer, refusal, serve, task_answer

pytestmark = pytest.mark.usefixtures("nothing_is_left")

CAT, HAT = "https://files.example.com/cat.png", "https://files.example.com/hat.png"
VIDEO = Video(id="867283741759110900", url="https://files.example.com/clip.mp4")
SESSION = "867283741759110400"


# ------------------------------------------------------------------------------------------------- the lines


async def several_pictures(kling: KlingClient, cat: str, hat: str) -> TaskHandle:
    """multi-image2video."""
    body = {
        "model_name": "kling-v1-6",
        "image_list": [{"image": cat}, {"image": hat}],
        "prompt": "a cat in a hat",
    }
    return await kling.submit(RawTask("/v1/videos/multi-image2video", body, finds_by_external_id=True))


async def longer_video(kling: KlingClient, video: Video) -> TaskHandle:
    """video-extend."""
    body = {"video_id": video.id, "prompt": "the cat walks on", "cfg_scale": 0.5}
    return await kling.submit(RawTask("/v1/videos/video-extend", body))


async def try_on(kling: KlingClient, person: str, shirt: str) -> TaskHandle:
    """kolors-virtual-try-on."""
    body = {"model_name": "kolors-virtual-try-on-v1-5", "human_image": person, "cloth_image": shirt}
    return await kling.submit(RawTask("/v1/images/kolors-virtual-try-on", body))


async def old_lip_sync(kling: KlingClient, video: Video) -> TaskHandle:
    """lip-sync of 2025."""
    spoken = {"mode": "text2video", "text": "Hello", "voice_id": "genshin_vindi2", "voice_language": "en"}
    return await kling.submit(RawTask("/v1/videos/lip-sync", {"input": {"video_id": video.id, **spoken}}))


async def views_of_a_subject(kling: KlingClient, cat: str) -> TaskHandle:
    """ai-multi-shot."""
    return await kling.submit(RawTask("/v1/general/ai-multi-shot", {"element_frontal_image": cat}))


async def areas_of_a_picture(kling: KlingClient, cat: str) -> Any:
    """image-recognize."""
    data = await kling.submit(RawCall("POST", "/v1/videos/image-recognize", {"image": cat}))
    return {area["type"]: area["url"] for area in data["task_result"]["images"] if area["is_contain"]}


async def edited_elements(kling: KlingClient, video: Video, cat: str) -> TaskHandle:
    """multi-elements."""
    path = "/v1/videos/multi-elements"
    begun = await kling.submit(RawCall("POST", f"{path}/init-selection", {"video_id": video.id}))
    session = {"session_id": begun["session_id"]}
    dog = {"frame_index": 0, "points": [{"x": 0.4, "y": 0.6}]}  # shares of the width and the height
    marked = await kling.submit(RawCall("POST", f"{path}/add-selection", {**session, **dog}))
    if marked["status"] != 0:  # code 0 alone does not say that something was recognised
        raise LookupError("nothing was recognised there")
    body = {**session, "edit_mode": "swap", "image_list": [{"image": cat}], "mode": "std", "duration": "5"}
    body["prompt"] = "swap the dog in <<<video_1>>> for the cat of <<<image_1>>>"
    return await kling.submit(RawTask(path, body, finds_by_external_id=True))


async def other_selections(kling: KlingClient, session: dict[str, str], dog: dict[str, Any]) -> Any:
    """multi-elements: a video of what is selected, a point taken away, and all of them."""
    path = "/v1/videos/multi-elements"
    shown = await kling.submit(RawCall("POST", f"{path}/preview-selection", session))
    await kling.submit(RawCall("POST", f"{path}/delete-selection", {**session, **dog}))
    await kling.submit(RawCall("POST", f"{path}/clear-selection", session))
    return shown["res"]["video"]


async def what_was_paid(kling: KlingClient, begin: int, end: int) -> Any:
    """billing: of the balance, and of the packs page by page."""
    span = {"start_time": begin, "end_time": end, "limit": 100}
    mine = {**span, "filters": [{"key": "api_key_name", "values": ["key-a"]}]}
    paid = await kling.submit(RawCall("POST", "/account/billing/balance", mine))
    page = await kling.submit(RawCall("POST", "/account/billing/package", span))
    page = await kling.submit(RawCall("POST", "/account/billing/package", {"cursor": page["next_cursor"]}))
    return [*paid["result"]["detail"], *page["result"]["detail"]]


# ------------------------------------------------------------------------------------------------- the server


@attrs.define
class Service:
    """Answers each path as recorded; the bodies of the requests are stored.

    Attributes:
        task: the recorded answer to a query of the task that a create makes.
        calls: the recorded answer at each path that makes no task.
    """

    task: str = ""
    calls: dict[str, str] = attrs.field(factory=dict)
    bodies: list[tuple[str, Any]] = attrs.field(factory=list)
    requested: list[str] = attrs.field(factory=list)

    def __call__(self, seen: Seen) -> Answer:
        """One response."""
        if seen.method == "GET":
            self.requested.append(seen.path)
            return answer(200, OTHERS[self.task]["body"])
        self.bodies.append((seen.path, json.loads(seen.body)))
        if seen.path in self.calls:
            return answer(200, OTHERS[self.calls[seen.path]]["body"])
        return task_answer(task_id=OTHERS[self.task]["body"]["data"]["task_id"])


@contextlib.asynccontextmanager
async def running(make_client: ClientMaker, service: Callable[[Seen], Answer]) -> AsyncIterator[KlingClient]:
    """A client of the service."""
    async with serve(service) as stub:
        yield make_client(base_url=stub.base_url)


# -------------------------------------------------------------------------------------------------- the tests

Lines = Callable[[KlingClient], Awaitable[TaskHandle]]


@pytest.mark.parametrize(
    ("lines", "path", "body", "recorded", "made"),
    [
        (
            lambda kling: several_pictures(kling, CAT, HAT),
            "/v1/videos/multi-image2video",
            {
                "model_name": "kling-v1-6",
                "image_list": [{"image": CAT}, {"image": HAT}],
                "prompt": "a cat in a hat",
                "external_task_id": "OURS",
            },
            "multi_image2video_query_succeed",
            "videos 867283741759110125",
        ),
        (
            lambda kling: longer_video(kling, VIDEO),
            "/v1/videos/video-extend",
            {"video_id": "867283741759110900", "prompt": "the cat walks on", "cfg_scale": 0.5},
            "video_extend_query_succeed",
            "videos 867283741759110123",
        ),
        (
            lambda kling: try_on(kling, CAT, HAT),
            "/v1/images/kolors-virtual-try-on",
            {"model_name": "kolors-virtual-try-on-v1-5", "human_image": CAT, "cloth_image": HAT},
            "tryon_query_succeed",
            "images 0",
        ),
        (
            lambda kling: old_lip_sync(kling, VIDEO),
            "/v1/videos/lip-sync",
            {
                "input": {
                    "video_id": "867283741759110900",
                    "mode": "text2video",
                    "text": "Hello",
                    "voice_id": "genshin_vindi2",
                    "voice_language": "en",
                }
            },
            "lip_sync_old_query_succeed",
            "videos 867283741759110121",
        ),
        (
            lambda kling: views_of_a_subject(kling, CAT),
            "/v1/general/ai-multi-shot",
            {"element_frontal_image": CAT},
            "ai_multi_shot_query_succeed",
            "images 0 0 0 1 1 1 2 2 2",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("/") else "",
)
async def test_a_task(
    make_client: ClientMaker, lines: Lines, path: str, *, body: dict[str, Any], recorded: str, made: str
) -> None:
    """The whole body is sent, with an external id only if tasks are found by it; the result is read."""
    service = Service(recorded)
    async with running(make_client, service) as client:
        handle = await lines(client)
        ours = {"external_task_id": handle.external_task_id} if "external_task_id" in body else {}
        task = await handle
    assert service.bodies == [(path, {**body, **ours})]
    assert service.requested == [f"{path}/{task.task_id}"]
    assert handle.reference == f"raw:{path}:{task.task_id}"
    ids = [video.id for video in task.videos] or [str(picture.index) for picture in task.images]
    assert made == f"{'videos' if task.videos else 'images'} {' '.join(ids)}"


async def test_elements_of_a_video_are_edited(make_client: ClientMaker) -> None:
    """A session is opened, a subject is marked in it, and the task is created from the session."""
    path = "/v1/videos/multi-elements"
    calls = {f"{path}/{name}-selection": f"multi_elements_{name}_selection_ok" for name in ("add", "clear")}
    calls[f"{path}/delete-selection"] = "multi_elements_add_selection_ok"
    calls |= {f"{path}/{name}-selection": f"multi_elements_{name}_ok" for name in ("init", "preview")}
    service = Service("multi_elements_query_succeed", calls)
    async with running(make_client, service) as client:
        handle = await edited_elements(client, VIDEO, CAT)
        ours = handle.external_task_id
        task = await handle
        session, dog = {"session_id": SESSION}, {"frame_index": 0, "points": [{"x": 0.4, "y": 0.6}]}
        shown = await other_selections(client, session, dog)
    edit = {
        **session,
        "edit_mode": "swap",
        "image_list": [{"image": CAT}],
        "prompt": "swap the dog in <<<video_1>>> for the cat of <<<image_1>>>",
        "mode": "std",
        "duration": "5",
    }
    assert service.bodies == [
        (f"{path}/init-selection", {"video_id": "867283741759110900"}),
        (f"{path}/add-selection", {**session, **dog}),
        (path, {**edit, "external_task_id": ours}),
        (f"{path}/preview-selection", session),
        (f"{path}/delete-selection", {**session, **dog}),
        (f"{path}/clear-selection", session),
    ]
    assert {**edit, "image_list": [{"image": "https://files.example.invalid/cat.png"}]} == (
        OTHERS["request_multi_elements_swap"]["body"]
    )
    assert ([video.id for video in task.videos], shown[-12:]) == (["867283741759110130"], "/preview.mp4")


async def test_nothing_is_edited_where_nothing_was_recognised(make_client: ClientMaker) -> None:
    """Code 0 with another `status` in the data means that nothing was marked: no task is created."""
    paths: list[str] = []

    def respond(seen: Seen) -> Answer:
        paths.append(seen.path)
        status = 1 if seen.path.endswith("/add-selection") else 0
        return answer(200, {"code": 0, "data": {"status": status, "session_id": SESSION}})

    async with running(make_client, respond) as client:
        with pytest.raises(LookupError):
            await edited_elements(client, VIDEO, CAT)
    assert [path.rpartition("/")[2] for path in paths] == ["init-selection", "add-selection"]


async def test_areas_of_a_picture(make_client: ClientMaker) -> None:
    """The response has the areas at once."""
    service = Service(calls={"/v1/videos/image-recognize": "image_recognize_ok"})
    async with running(make_client, service) as client:
        areas = await areas_of_a_picture(client, CAT)
    assert service.bodies == [("/v1/videos/image-recognize", {"image": CAT})]
    assert [*areas] == ["object_seg", "head_seg", "face_seg", "cloth_seg"]
    assert areas["face_seg"].endswith("/seg/face_seg.png")


async def test_billing(make_client: ClientMaker) -> None:
    """The balance is requested as recorded, and the packs in two pages."""
    calls = {f"/account/billing/{name}": f"billing_{name}_ok" for name in ("balance", "package")}
    service = Service(calls=calls)
    async with running(make_client, service) as client:
        rows = await what_was_paid(client, 1789938513975, 1790024913975)
    span = {"start_time": 1789938513975, "end_time": 1790024913975, "limit": 100}
    assert service.bodies == [
        ("/account/billing/balance", OTHERS["request_billing_balance"]["body"]),
        ("/account/billing/package", span),
        ("/account/billing/package", {"cursor": "cursor-0002"}),
    ]
    assert [row["deduction_amount"] for row in rows] == [0.84, 6.0]


async def test_a_path_that_is_no_longer_there(make_client: ClientMaker) -> None:
    """A retired path raises the service's message, and nothing is sent again."""
    seen: list[Seen] = []

    def respond(request: Seen) -> Answer:
        seen.append(request)
        return refusal(404, 1203, "This API is no longer available")

    async with running(make_client, respond) as client:
        with pytest.raises(RequestRefused, match="no longer available"):
            await several_pictures(client, CAT, HAT)
    assert len(seen) == 1
