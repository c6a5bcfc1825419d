"""Models of the current generation: their methods, and the clients that may use them."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from kling_async import ConfigurationError, InvalidReference, InvalidRequest, KlingClient, current
from kling_async.emulator import Emulator
from kling_async.models import MODELS, AnyModel, methods_of
from kling_async.protocol.endpoints.current.table import VERIFIED
from tests.shell.conftest import ClientMaker


@pytest.fixture
def kling(make_client: ClientMaker, emulator: Emulator) -> KlingClient:
    """A client with an API key."""
    return make_client(api_key=emulator.api_key)


async def test_from_a_picture_to_a_file(kling: KlingClient, emulator: Emulator, image: Path, tmp_path: Path) -> None:
    """One line creates a video with the model, and its handle saves it."""
    handle = await kling.model("kling-3.0-turbo").image_to_video(first_frame=image, prompt="the cat yawns")
    path = await handle.save(tmp_path / "cat.mp4")
    assert path.stat().st_size > 1000
    assert handle.reference == f"tasks:{handle.task_id}"
    assert emulator.ledger.created == emulator.ledger.delivered == 1


def test_each_model_has_the_methods_of_its_paths() -> None:
    """A model has exactly the methods with a documented path; an unknown model is not restricted."""
    paths: dict[str, set[str]] = {}
    for row in VERIFIED:
        paths.setdefault(row.model, set()).add(row.family.strip("/").replace("-", "_"))
    assert {name: set(methods_of(kind)) for name, kind in MODELS.items()} == paths
    assert set(methods_of(AnyModel)) == set().union(*paths.values())


async def test_a_missing_method_names_the_models_that_have_it(kling: KlingClient) -> None:
    """The `AttributeError` lists the methods of the model, and the models with that method."""
    model: Any = kling.model("kling-3.0-turbo")
    with pytest.raises(AttributeError) as caught:
        _ = model.omni_video
    words = "kling-3.0-turbo has no omni_video, but image_to_video, text_to_video; kling-3.0-omni and kling-o1 have it"
    assert str(caught.value) == words
    assert hasattr(kling.model("kling-9"), "omni_video")
    assert repr(model) == "<KlingModel kling-3.0-turbo>"


@pytest.mark.parametrize("name", [None, 5, b"x", "", " ", [], {}, object(), "a/b", "..", "kling 3.0", "x?y", "\u732b"])
async def test_an_invalid_model_name(kling: KlingClient, name: Any) -> None:
    """A name that cannot be a segment of a path is refused at once, as in a request."""
    with pytest.raises(InvalidRequest, match=r"^model: "):
        kling.model(name)


async def test_a_method_shows_the_records_parameters_without_the_model(kling: KlingClient) -> None:
    """Signature and help of a method have the record's parameters, without the model."""
    method = kling.model("kling-3.0").image_to_video
    whole = inspect.signature(current.ImageToVideo).parameters
    assert list(inspect.signature(method).parameters) == [name for name in whole if name != "model"]
    text = inspect.getdoc(method) or ""
    assert "first_frame:" in text
    assert "    model:" not in text
    assert "Submits `current.ImageToVideo`" in text
    with pytest.raises(TypeError, match=r"submit\(current.ImageToVideo\(...\), strict=False\)"):
        await method("cat.png", strict=False)  # type: ignore[call-arg]  # wrong on purpose


@pytest.mark.parametrize("host", ["https://api.klingai.com", "https://API.klingai.com/"])
async def test_a_host_without_the_current_generation_is_refused(host: str) -> None:
    """A host that lacks the current generation is refused before anything is sent."""
    async with KlingClient(api_key="key", base_url=host) as kling:
        await refuses(kling, "does not serve the current generation")


async def test_a_pair_of_keys_is_refused(client: KlingClient, emulator: Emulator) -> None:
    """Each use of the current generation is refused before anything is sent."""
    await refuses(client, "takes an API key only")
    assert not emulator.ledger.requests


async def refuses(kling: KlingClient, words: str) -> None:
    """All uses of the current generation are refused."""
    with pytest.raises(ConfigurationError, match=words):
        kling.model("kling-3.0-turbo")
    with pytest.raises(ConfigurationError, match=words):
        await kling.submit(current.TextToVideo("a cat", model="kling-3.0"))
    with pytest.raises(ConfigurationError, match=words):
        kling.attach("tasks:1")
    with pytest.raises(ConfigurationError, match=words):
        await kling.get_task("tasks:external:a")
    with pytest.raises(ConfigurationError, match=words):
        kling.tasks("tasks")


@pytest.mark.parametrize("reference", ["tasks:", "tasks:external:", "tasks:1,2", "tasks:external:a,b"])
async def test_a_reference_names_one_task(kling: KlingClient, reference: str) -> None:
    """A reference with a comma or an empty id is refused."""
    with pytest.raises(InvalidReference):
        kling.attach(reference)
