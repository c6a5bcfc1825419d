"""Models that the service has retired: a warning before anything is sent, and a refusal that names the successor."""

from pathlib import Path

import pytest

from kling_async import (
    CreateInDoubt,
    ImageToVideo,
    ModelRetired,
    RawTask,
    RequestRefused,
    RetiredModelWarning,
    Retry,
    TextToVideo,
)
from tests.shell.conftest import ClientMaker
from tests.shell.stub import Answer, Seen, refusal, script, serve, task_answer

GONE = refusal(404, 1203, "The model is discontinued")
INSTEAD = "kling-v1-6 is retired here since 2026-09-15; use kling-v2-6"


@pytest.mark.parametrize("strict", [True, False])
async def test_a_retired_model_warns_and_is_sent(make_client: ClientMaker, *, strict: bool) -> None:
    """The warning has its own class, points to the caller's line, names the successor, and refuses nothing."""
    async with serve(script(task_answer())) as stub:
        client = make_client(base_url=stub.base_url)
        with pytest.warns(RetiredModelWarning, match=INSTEAD) as caught:
            await client.submit(TextToVideo("a cat", model_name="kling-v1-6"), strict=strict)
        assert [len(caught), Path(caught[0].filename)] == [1, Path(__file__)]
        assert stub.seen[0].method == "POST"


async def test_the_warning_comes_before_anything_is_sent(make_client: ClientMaker) -> None:
    """If the warning is turned into an error, nothing is sent."""
    async with serve(script(task_answer())) as stub:
        client = make_client(base_url=stub.base_url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", _raise)
            with pytest.raises(RetiredModelWarning):
                await client.text_to_video("a cat", model_name="kling-v1-6")
        assert stub.seen == []


def _raise(text: str, kind: type[Warning], *, stacklevel: int) -> None:
    raise kind(text, stacklevel)


@pytest.mark.parametrize(
    ("model_name", "advice"),
    [
        ("kling-v1-6", INSTEAD),
        ("kling-v2-6", "use one of kling-v2-5-turbo, kling-v3"),
        ("kling-v9", "no model 'kling-v9' is known here"),
    ],
)
async def test_a_retired_model_is_refused_with_its_successor(
    make_client: ClientMaker, model_name: str, advice: str
) -> None:
    """404 with 1203 is `ModelRetired`, also for a model not known as retired; nothing is sent twice."""
    async with serve(script(GONE)) as stub:
        with pytest.raises(ModelRetired) as caught:
            await make_client(base_url=stub.base_url).text_to_video("a cat", model_name=model_name)
        message = f"The model is discontinued; nothing was created; {advice}"
        assert (caught.value.message[: len(message)], caught.value.code) == (message, 1203)
        assert len(stub.seen) == 1


async def test_an_unsupported_model_is_distinguished(make_client: ClientMaker) -> None:
    """1201 about a retired model is `RequestRefused` with the successor; about something else it has none."""
    answers = [refusal(400, 1201, f"{what} is not supported") for what in ("model", "negative_prompt")]

    def respond(seen: Seen) -> Answer:
        return answers.pop(0) if seen.method == "POST" else refusal(400, 1201, "Task not found")

    async with serve(respond) as stub:
        client = make_client(base_url=stub.base_url)
        for advised in (True, False):
            with pytest.raises(RequestRefused) as caught:
                await client.text_to_video("a cat", model_name="kling-v1-6")
            assert (type(caught.value), INSTEAD in caught.value.message) == (RequestRefused, advised)


async def test_a_retired_path(make_client: ClientMaker) -> None:
    """A path without a record that the service has retired raises an error that says so."""
    async with serve(script(refusal(404, 1203, "This API is no longer available"))) as stub:
        client = make_client(base_url=stub.base_url)
        with pytest.raises(ModelRetired, match="no longer available; nothing was created"):
            await client.submit(RawTask("/v1/videos/multi-image2video", {"model_name": "kling-v1-6"}))


async def test_a_retirement_ends_no_doubt(make_client: ClientMaker) -> None:
    """A second send that is refused so does not settle the first one, whose task may be paid."""
    creates: list[Answer] = [None, GONE]

    def respond(seen: Seen) -> Answer:
        return creates.pop(0) if seen.method == "POST" else refusal(400, 1201, "Task not found")

    async with serve(respond) as stub:
        client = make_client(base_url=stub.base_url, retry=Retry(settle=5, budget=60))
        with pytest.raises(CreateInDoubt, match="the last send ended with: The model is discontinued"):
            await client.submit(ImageToVideo("https://example.com/a.png", model_name="kling-v1"))
    assert creates == []
