"""The client's methods that are generated from records: parameters, refusals, signatures."""

import functools
import inspect
import pydoc
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints
from unittest import mock

import attrs
import pytest

from kling_async import ImageToVideo, KlingClient, ShotPrompt, TaskHandle
from kling_async.emulator import Emulator
from kling_async.io.submission import SubmitOptions
from kling_async.methods import submits
from kling_async.protocol.media.image import ImageGiven
from tests.shell.conftest import ClientMaker

METHOD = "KlingClient.image_to_video()"
OPTION = "it is an option of submit(ImageToVideo(...), strict=False)"
CLIENT = KlingClient(api_key="key")


@attrs.frozen(kw_only=True)
class Portrait:
    """A record.

    Attributes:
        subject: who is shown.
        style: how.
    """

    subject: str = attrs.field(kw_only=False)
    style: str = "plain"


class Studio:
    """Stores what is submitted."""

    def __init__(self) -> None:
        self.submitted: list[Any] = []

    async def submit(self, request: Any) -> Any:
        """Submits.

        Returns:
            What was submitted.
        """
        self.submitted.append(request)
        return request

    portrait = submits(lambda: Portrait)


async def test_the_method_submits_the_record(client: KlingClient, image: Path, emulator: Emulator) -> None:
    """A method creates the record of its parameters, and submits it as `submit` does."""
    handle = await client.image_to_video(image, prompt="the cat turns its head", external_task_id="job-1")
    assert isinstance(handle, TaskHandle)
    assert handle.external_task_id == "job-1"
    [entry] = emulator.ledger.entries
    assert entry.task_id == handle.task_id


async def test_a_subclass_that_overrides_submit() -> None:
    """Methods call an overridden `submit`, also when called on the class."""
    studio = Studio()
    await studio.portrait("a cat")
    await Studio.portrait(studio, subject="a cat", style="oil")
    assert studio.submitted == [Portrait("a cat"), Portrait("a cat", style="oil")]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"promt": "a cat"}, f"{METHOD} got an unexpected keyword argument 'promt'; did you mean 'prompt'?"),
        ({"model": "kling-v3"}, f"{METHOD} got an unexpected keyword argument 'model'; did you mean 'model_name'?"),
        ({"zzz": 1}, f"{METHOD} got an unexpected keyword argument 'zzz'"),
        (
            {"strict": False},
            f"{METHOD} got an unexpected keyword argument 'strict': {OPTION}",
        ),
        (
            {"image": "dog.jpg"},
            f"{METHOD}: multiple values for argument 'image'",
        ),
    ],
)
def test_a_wrong_parameter_raises_at_the_call(wrong: dict[str, Any], message: str) -> None:
    """A parameter that the record lacks is a TypeError at the call, not at the await; it names the method."""
    with pytest.raises(TypeError) as caught:
        _ = CLIENT.image_to_video("cat.jpg", **wrong)
    assert str(caught.value) == message


@pytest.mark.parametrize("option", SubmitOptions.__annotations__)
def test_options_are_those_of_submit(option: str) -> None:
    """Each option of submitting is refused, with the call that accepts it."""
    value: Any = {option: 5}
    with pytest.raises(TypeError, match=rf"an option of submit\(ImageToVideo\(\.\.\.\), {option}=5\)"):
        _ = CLIENT.image_to_video("cat.jpg", **value)


def test_positions() -> None:
    """Only the first parameter is positional; an error names other positional or missing ones."""
    with pytest.raises(TypeError, match=r"^Studio\.portrait\(\): too many positional arguments"):
        _ = Studio().portrait("a cat", "oil")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match=r"^Studio\.portrait\(\): missing a required argument: 'subject'"):
        _ = Studio().portrait()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_options_are_declared_in_submit_once() -> None:
    """The options that `generate` passes on are those of `submit`, with the same types."""
    parameters = inspect.signature(KlingClient.submit).parameters.values()
    named = {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert named == get_type_hints(SubmitOptions)


def test_the_signature_is_the_records() -> None:
    """The signature has the record's parameters, defaults and types after `self`; the first is positional."""
    signature = inspect.signature(KlingClient.image_to_video)
    assert list(signature.parameters) == ["self", *(field.name for field in attrs.fields(ImageToVideo))]
    given = {name: each.annotation for name, each in signature.parameters.items()}
    assert given["image"] == ImageGiven | None
    assert given["multi_prompt"] == Iterable[ShotPrompt | Mapping[str, Any]] | None
    assert signature.parameters["image"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {each.kind for each in [*signature.parameters.values()][2:]} == {inspect.Parameter.KEYWORD_ONLY}
    assert signature.parameters["duration"].default == 5
    assert signature.return_annotation is TaskHandle  # as of any `async def`


def test_every_parameter_is_typed() -> None:
    """No parameter is typed Any."""
    for each in [*inspect.signature(KlingClient.image_to_video).parameters.values()][1:]:
        assert each.annotation not in {Any, inspect.Parameter.empty}, each.name


def test_the_bound_method_is_the_same() -> None:
    """A bound method has the signature and docstring of the function, without `self`."""
    bound, unbound = CLIENT.image_to_video, KlingClient.image_to_video
    assert list(inspect.signature(bound).parameters) == list(inspect.signature(unbound).parameters)[1:]
    assert bound == CLIENT.image_to_video
    for method in (bound, unbound):
        read: Any = method
        assert read.__name__ == "image_to_video"
        assert read.__qualname__ == "KlingClient.image_to_video"
        assert read.__module__ == "kling_async.client"
        assert read.__doc__ == KlingClient.image_to_video.__doc__
        assert get_type_hints(read)["image"] == ImageGiven | None


def test_help_reads_well() -> None:
    """`help` shows each parameter with the record's documentation, the options, the result and the errors."""
    text = pydoc.plain(pydoc.render_doc(KlingClient.image_to_video))
    begins = r"image_to_video\([\s|]*self,[\s|]*image: "  # broken into lines from Python 3.13 on
    assert re.search(begins, text)
    documented = text.partition("Args:\n")[2].partition("Returns:\n")[0]
    for field in attrs.fields(ImageToVideo):
        assert f"        {field.name}: " in documented
    assert "submit(ImageToVideo(...), strict=False)" in text
    assert text.count("Raises:") == text.count("Returns:") == 1
    assert "QueueTimeout: " in text.partition("Raises:\n")[2]
    assert "Attributes:" not in text
    assert re.search(begins, pydoc.plain(pydoc.render_doc(KlingClient)))


def test_nothing_is_imported_before_it_is_used() -> None:
    """The record is imported on the first use of the method, and once."""
    requested = []

    def record() -> Callable[..., Portrait]:
        requested.append(1)
        return Portrait

    class Late(Studio):
        """Has a method whose record is imported late."""

        late = submits(record)

    studio = Late()
    assert requested == []
    for _ in range(3):
        functools.partial(studio.late, "a cat")
    assert requested == [1]


async def test_mocks_can_be_awaited() -> None:
    """A mock with the client as its spec has methods that can be awaited."""
    kling = mock.create_autospec(KlingClient, instance=True)
    await kling.image_to_video("cat.jpg")
    kling.image_to_video.assert_awaited_once_with("cat.jpg")


async def test_the_request_is_as_it_was_at_the_call(make_client: ClientMaker, image: Path, emulator: Emulator) -> None:
    """A list that changes between the call and the await does not change the request."""
    shots = [{"index": 1, "prompt": "a", "duration": 5}]
    submitting = make_client().image_to_video(
        image, model_name="kling-v3", multi_shot=True, shot_type="customize", multi_prompt=shots
    )
    shots.clear()
    await submitting
    assert emulator.ledger.created == 1
