"""Requests of the current generation as a journal stores them, and the differences between two of them."""

import json
from pathlib import Path
from typing import Any

import attrs

from kling_async import current
from kling_async.journal import files
from kling_async.journal.contents import differences, kept, known_members, marks_in, restored, split
from kling_async.journal.store import Work
from kling_async.protocol.catalog import endpoint_named
from kling_async.protocol.endpoint import Request
from kling_async.protocol.estimate import Estimate
from kling_async.protocol.media.image import Image
from kling_async.protocol.wire import requests
from kling_async.protocol.wire.codec import to_wire


def request(picture: Path, **more: Any) -> current.OmniVideo:
    """A request with pictures as a file and as bytes, nested in the contents."""
    return current.OmniVideo(
        **{
            "prompt": "@cat meets @dog",
            "model": "kling-3.0-omni",
            "first_frame": {"cat": picture},
            "refer_images": {"dog": b"a picture"},
            "resolution": "1080p",
            **more,
        }
    )


def work_of(made: Request) -> Work:
    """Returns a request as a journal stores it."""
    record: Any = type(made)
    plain, parts = split(to_wire(made))
    marks = files.marks_of(parts, "owner-1")
    return Work(
        key="a",
        endpoint="tasks",
        external_task_id=None,
        request=kept(to_wire(made), marks) if parts else plain,
        known=known_members(record),
        line="kling-3.0-omni",
        slots=1,
        save_to=None,
        estimate=Estimate(units=None, usd=None),
    )


def differ(before: Request, now: Request) -> list[str]:
    """Returns the members in which two requests differ."""
    entry: Any = work_of(before)
    return [difference.member for difference in differences(entry, work_of(now))]


def test_what_is_kept(tmp_path: Path) -> None:
    """The path and all members are stored as JSON, with pictures by digest."""
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"PNG")
    made = request(picture, callback_url="https://hooks.example", external_task_id="job-1")
    members = work_of(made).request
    assert json.loads(json.dumps(members)) == members
    assert members["path"] == "/omni-video/kling-3.0-omni"
    assert (members["callback_url"], members["external_task_id"]) == ("https://hooks.example", "job-1")
    assert [mark.get("path", "bytes") for mark in marks_in(members)] == [str(picture), "bytes"]
    assert "PNG" not in json.dumps(members)
    assert members.keys() <= known_members(current.OmniVideo)


def test_what_is_sent_again(tmp_path: Path) -> None:
    """A stored request is sent again unchanged, with its id, to the endpoint with the stored name."""
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"PNG")
    made = request(picture)
    members = restored(work_of(made).request, lambda mark: Image.of(mark.get("path", b"a picture")))
    endpoint = endpoint_named("tasks")
    assert endpoint is not None
    again = requests.create_of(endpoint, {**members, "external_task_id": "job-1"})
    assert again == requests.create(endpoint, attrs.evolve(made, external_task_id="job-1"))
    assert (again.path, again.body[1]) == ("/omni-video/kling-3.0-omni", Image.of(picture))


def test_what_two_requests_differ_in(tmp_path: Path) -> None:
    """A key is for one model, contents (including the bytes of pictures) and settings, but not for ids."""
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"PNG")
    made = request(picture)
    copied = tmp_path / "copy.png"
    copied.write_bytes(b"PNG")
    changed = tmp_path / "changed.png"
    changed.write_bytes(b"other")
    assert differ(made, request(copied, external_task_id="job-2", callback_url="https://else.example")) == []
    assert differ(made, request(changed)) == ["contents"]
    assert differ(made, request(picture, refer_images={"dog": b"another"})) == ["contents"]
    assert differ(made, request(picture, model="kling-o1", audio="off", multi_shot=False)) == ["path"]
    assert differ(made, request(picture, resolution="4k")) == ["settings"]
    assert differ(made, request(picture, watermark_info={"enabled": True})) == ["watermark_info"]
