"""Scripted answers: the real client without sockets, where each answer has to be used."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_async import (
    CreateInDoubt,
    DownloadError,
    InsufficientBalance,
    KlingError,
    Polling,
    RawCall,
    TaskFailed,
    TaskTimeout,
    TextToVideo,
)
from kling_async.testing import Answer, Script

CAT = TextToVideo("a cat on a skateboard")
PICTURE = Path(__file__).parents[2] / "examples" / "images" / "cat.png"


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes each connection fail."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a socket was connected")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    monkeypatch.undo()


async def test_a_story_without_sockets(tmp_path: Path) -> None:
    """Create, polls and download take one answer each, in order; the sent requests can be inspected."""
    answers = [Answer.task("submitted"), Answer.task("processing"), Answer.task(), Answer.file()]
    async with Script(answers) as script:
        kling = script.client()
        handle = await kling.image_to_video(PICTURE, prompt="it moves")
        assert (await handle.save(tmp_path / "cat.mp4")).stat().st_size > 1000
    create, *polls, file = script.sent
    assert (create.method, create.path, create.json["prompt"]) == ("POST", "/v1/videos/image2video", "it moves")
    assert len(create.json["image"]) > PICTURE.stat().st_size
    assert [each.path for each in polls] == ["/v1/videos/image2video/1"] * 2
    assert file.path.endswith("/1.mp4")


async def test_errors_of_the_service() -> None:
    """A code raises the client's error for it, with the message of the answer; a failed task has its reason."""
    async with Script([Answer.error(1102), Answer.task("submitted"), Answer.task("failed", reason="no")]) as script:
        kling = script.client()
        with pytest.raises(InsufficientBalance, match=r"scripted.*request_id scripted"):
            await kling.submit(CAT)
        with pytest.raises(TaskFailed, match="no"):
            await (await kling.submit(CAT))


async def test_a_full_account_waits_its_turn() -> None:
    """A scripted 1303 makes the client wait and retry, like that of the service; the retry needs another answer."""
    async with Script([Answer.error(1303), Answer.task("submitted"), Answer.task()]) as script:
        await (await script.client().submit(CAT))


async def test_a_lost_answer_is_looked_up() -> None:
    """After a broken connection the task is looked up by its external id, and found."""
    async with Script([Answer.lost(), Answer.task()]) as script:
        await (await script.client().submit(CAT))
    assert [each.method for each in script.sent] == ["POST", "GET"]
    assert script.sent[1].path.endswith(script.sent[0].json["external_task_id"])


async def test_a_page_leaves_a_create_in_doubt() -> None:
    """A gateway's page is no answer; with `on_doubt="raise"`, look-ups that find nothing lead to CreateInDoubt."""
    answers = [Answer.page(504), *[Answer.error(1201, "Task not found by external id: x")] * 40]
    script = Script(answers)
    with pytest.raises(CreateInDoubt):
        await script.client().submit(CAT, on_doubt="raise")
    with pytest.raises(AssertionError, match="answers were not used"):
        script.assert_used()


async def test_any_data() -> None:
    """An answer may be any value in the service's envelope."""
    async with Script([Answer.data({"balance": 7})]) as script:
        assert await script.client().submit(RawCall("POST", "/v1/anything", {})) == {"balance": 7}


async def test_a_request_too_many_is_the_tests_failure() -> None:
    """A request without an answer fails at once and is named, even if the client sent it in the background."""

    async def test() -> None:
        async with Script([Answer.task("submitted")]) as script:
            kling = script.client()
            await kling.submit(CAT)
            await kling.submit(CAT)

    with pytest.raises(AssertionError, match="no answer was left for POST /v1/videos/text2video; answered were:"):
        await test()


@pytest.mark.parametrize("polls", [False, True])
async def test_each_answer_reaches_its_request(*, polls: bool) -> None:
    """Polls in between take no answers for another task or for a create, errors included."""
    one, two = (Answer.task("submitted", task_id=task_id) for task_id in "12")
    failed = [Answer.task("failed", task_id=task_id, reason=f"it is {task_id}") for task_id in "12"]
    async with Script([one, Answer.error(1102), two, *failed]) as script:
        kling = script.client()
        first = await kling.submit(CAT)
        if polls:
            with pytest.raises(TaskFailed):
                await first
        with pytest.raises(InsufficientBalance):
            await kling.submit(CAT)
        second = await kling.submit(CAT)
        for handle, words in ((first, "it is 1"), (second, "it is 2")):
            with pytest.raises(TaskFailed, match=words):
                await handle


async def test_many_tasks_at_once() -> None:
    """Each task gets its own answers even if the client would poll all by one page of the list."""
    names = [str(number) for number in range(9)]
    tasks = [Answer.task(status, task_id=name) for status in ("submitted", "processing", "succeed") for name in names]
    async with Script(tasks) as script:
        kling = script.client(concurrency=9)
        handles = [await kling.submit(CAT) for _ in names]
        assert [(await handle).task_id for handle in handles] == names


async def test_tasks_that_were_made_before() -> None:
    """Attached tasks take the answers with their ids, in any order of polls."""
    async with Script([Answer.task(task_id="8"), Answer.task(task_id="7")]) as script:
        kling = script.client()
        for name in "78":
            assert (await kling.attach(f"text2video:{name}")).task_id == name


async def test_a_task_without_further_answers_keeps_its_status() -> None:
    """Each poll returns its last status; only waiting for its end fails."""
    async with Script([Answer.task("submitted"), Answer.task("processing"), Answer.data({"balance": 7})]) as script:
        kling = script.client(polling=Polling(first=0.001, maximum=0.001, deadline=0.1))
        handle = await kling.submit(CAT)
        with pytest.raises(TaskTimeout):
            await handle
        assert await kling.submit(RawCall("POST", "/v1/anything", {})) == {"balance": 7}
    assert [each.method for each in script.sent] == ["POST", "GET", "POST"]


async def test_a_task_that_has_ended_keeps_its_status(tmp_path: Path) -> None:
    """A second client of the script that polls it again, as after a restart, gets the same answer."""
    async with Script([Answer.task("submitted"), Answer.task()]) as script:
        for _ in range(2):
            kling = script.client(journal=tmp_path / "clips.sqlite")
            assert (await (await kling.submit(CAT, key="order"))).videos
            await kling.close()
    assert [each.method for each in script.sent] == ["POST", "GET"]


async def test_a_timeout_names_the_missing_answer() -> None:
    """The error of a task that never ends names the poll without an answer."""

    async def test() -> None:
        async with Script([Answer.task("submitted")]) as script:
            await (await script.client(polling=Polling(first=0.001, maximum=0.001, deadline=0.1)).submit(CAT))

    with pytest.raises(TaskTimeout) as caught:
        await test()
    assert Script([]).client()._poller._deadline <= 5
    assert caught.value.__notes__ == ["the script had no further answer for GET /v1/videos/text2video/1"]


@pytest.mark.parametrize("polls", [False, True])
async def test_an_error_at_the_end(*, polls: bool) -> None:
    """An error at the end answers the test's next request; it answers background polls only if it names a task."""
    async with Script([Answer.task("submitted"), Answer.error(1102)]) as script:
        kling = script.client(polling=Polling(first=0.001, maximum=0.001, deadline=0.1))
        handle = await kling.submit(CAT)
        if polls:
            with pytest.raises(TaskTimeout):
                await handle
        with pytest.raises(InsufficientBalance):
            await kling.submit(CAT)


async def test_an_error_about_a_task() -> None:
    """An error about a task answers a poll of that task, however many requests come before; its status is kept."""
    no = Answer.error(1103, "not yours").about("1")
    two = [Answer.task("submitted", task_id="2"), Answer.task("failed", task_id="2")]
    async with Script([no, Answer.task("submitted"), *two]) as script:
        kling = script.client()
        first = await kling.submit(CAT)
        with pytest.raises(TaskFailed):
            await (await kling.submit(CAT))
        with pytest.raises(KlingError, match="not yours"):
            await first
        assert (await kling.get_task("text2video:1")).status == "submitted"


async def test_an_unused_error_suggests_about() -> None:
    """If a poll had no answer and an error was left over, the failure suggests `Answer.about`."""

    async def test() -> None:
        async with Script([Answer.task("submitted"), Answer.error(1203)]) as script:
            kling = script.client(polling=Polling(first=0.001, maximum=0.001, deadline=0.1))
            with pytest.raises(TaskTimeout):
                await (await kling.submit(CAT))

    with pytest.raises(AssertionError, match=r"\(HTTP \d+\) \(Answer.about says .* GET /v1/videos/text2video/1\)"):
        await test()


async def test_an_expired_file_is_fetched_again(tmp_path: Path) -> None:
    """An error before a task's new status can be the answer to a download: downloads take errors in any position."""
    async with Script([Answer.task(), Answer.page(403), Answer.task(), Answer.file()]) as script:
        await (await script.client().submit(CAT)).save(tmp_path / "cat.mp4")


async def test_answers_left_over_are_the_tests_failure() -> None:
    """Unused answers are reported at the end, unless the code failed anyway."""

    async def test(*, fails: bool) -> None:
        async with Script([Answer.error(1102), Answer.error(1102)]) as script:
            with pytest.raises(InsufficientBalance):
                await script.client().submit(CAT)
            if fails:
                raise ZeroDivisionError

    with pytest.raises(AssertionError, match=r"1 answers were not used \(HTTP 429\)"):
        await test(fails=False)
    with pytest.raises(ZeroDivisionError):
        await test(fails=True)


async def test_an_invalid_file_is_refused(tmp_path: Path) -> None:
    """The client checks a scripted file like any other."""
    answers = [Answer.task(), Answer.file(b"<html>no</html>"), *[Answer.file(b"<html>no</html>")] * 50]
    script = Script(answers)
    with pytest.raises(DownloadError):
        await (await script.client().submit(CAT)).save(tmp_path / "cat.mp4")


def test_an_unknown_code_is_refused() -> None:
    """A code that the service does not have is refused, as it would test nothing."""
    with pytest.raises(ValueError, match="1303"):
        Answer.error(4711)


def test_an_unknown_status_is_refused() -> None:
    """A status that the service does not have, such as that of its other generation, is refused."""
    with pytest.raises(ValueError, match="succeed or failed"):
        Answer.task("succeeded")


@pytest.mark.parametrize(("value", "words"), [("submitted", r"Answer.task\('submitted'\)"), (1303, "Answer.error")])
def test_other_values_are_refused_as_answers(value: Any, words: str) -> None:
    """A value that is not an `Answer` is refused at once, with a suggestion."""
    with pytest.raises(TypeError, match=words):
        Script([Answer.task("submitted"), value])


async def test_no_secret_is_shown() -> None:
    """Neither an answer nor what was sent shows its contents when it is printed."""
    async with Script([Answer.task()]) as script:
        with pytest.raises(KlingError):
            await (await script.client(api_key="sesame").image_to_video(b"not a picture"))
        await script.client().submit(CAT)
    assert "skateboard" not in repr(script.sent)
