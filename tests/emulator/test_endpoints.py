import ast
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kling_async import emulator as package
from kling_async.emulator import Emulator
from kling_async.emulator.service import app, catalog, endpoints
from kling_async.emulator.service.endpoint import NotEmulated

from .conftest import FAR, Answer, Caller, Clock

FOLDER = Path(package.__file__).parent
ELSEWHERE = [path for path in FOLDER.rglob("*.py") if "endpoints" not in path.relative_to(FOLDER).parts]
PAGE = [path for path in FOLDER.rglob("*") if path.suffix in {".js", ".html", ".css"}]
NAMES = {found.name for found in catalog.FOUND if not isinstance(found, NotEmulated)}


def words(tree: ast.Module) -> list[str]:
    """Returns the identifiers, the string literals and the imports of a module."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.alias):
            found += [node.name, node.asname or ""]
        else:
            found += [value for _, value in ast.iter_fields(node) if isinstance(value, str)]
    return found


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_endpoint_is_named_elsewhere(path: Path) -> None:
    """No identifier, literal or import outside the folder of endpoints contains the name of an endpoint."""
    spoken = [word for word in words(ast.parse(path.read_text("utf-8"))) if any(name in word for name in NAMES)]

    assert spoken == []


@pytest.mark.parametrize("path", PAGE, ids=lambda path: path.name)
def test_the_page_names_no_endpoint(path: Path) -> None:
    """The page shows the data that it receives."""
    assert not any(name in path.read_text("utf-8") for name in NAMES)


# A new endpoint: several pictures instead of a video, paid from another pack, with separate slots, not found by
# external id.
NEW_FILE = """
from decimal import Decimal

import attrs

from kling_async.emulator.service.checks import fields, members
from kling_async.emulator.service.checks.every_task import every_task
from kling_async.emulator.service.checks.text import check_content, prompts
from kling_async.emulator.service.endpoint import AcceptedRequest, Endpoint


@attrs.frozen
class Dot:
    label: str

    def make(self):
        return f"dot {self.label}".encode()


@attrs.frozen
class Pictures:
    count: int
    size = (8, 8)

    @property
    def files(self):
        return {str(number): ".png" for number in range(self.count)}

    def task_result(self, result_id, link):
        return {"images": [{"index": number, "url": link(str(number))} for number in range(self.count)]}

    def placeholder(self, name, label):
        return Dot(f"{label} {name}")


def accept(body):
    prompt, count = prompts(body), int(fields.number(body, "n", 1, 9) or 1)
    check_content(prompt)
    every = every_task(body)
    units = Decimal(8 * count)
    return AcceptedRequest(
        **every, model_name="kling-v3", units=units, prompt=prompt, parameters=body, result=Pictures(count), slots=count
    )


ENDPOINT = Endpoint(
    path="/v1/images/dots",
    members={"prompt": str, "n": int} | members.EVERY_TASK,
    accept=accept,
    estimate=lambda body: Decimal(8),
    generation_seconds=lambda body: 20.0,
    pack="image",
    page_maximum=50,
)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Adds a file to the folder of endpoints, and returns the path of its endpoint."""
    tmp_path.joinpath("dots_of_a_test.py").write_text(NEW_FILE)
    monkeypatch.setattr(endpoints, "__path__", [*endpoints.__path__, str(tmp_path)])
    found = tuple(catalog._found())
    monkeypatch.setattr(app, "FOUND", found)
    return found[-1].path


async def test_a_new_endpoint_is_one_new_file(path: str, clock: Clock) -> None:
    """A file in the folder is enough to have routes, slots, pack, price, list, results, ledger and page."""

    async def create(**parameters: Any) -> Answer:
        return await caller.request("POST", path, json={"prompt": "dots"} | parameters, headers=caller.headers)

    async with (
        Emulator(clock=clock, speed=1.0, render=False, balance=100, concurrency=5) as emulator,
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(emulator, session)
        task_id = (await create(n=3, external_task_id="mine")).body["data"]["task_id"]
        beside = await caller.create(model_name="kling-v3")  # each pack has separate slots
        full, fits = await create(n=3), await create(n=2)
        clock.advance(FAR)

        images = (await caller.get(f"{path}/{task_id}")).body["data"]["task_result"]["images"]
        file = await caller.request("GET", images[2]["url"])
        state = (await caller.request("GET", "/_emulator/state")).body
        shown = state["tasks"][-1]
        packs = (await caller.get("/account/costs?start_time=0&end_time=1")).body["data"]
        answers = [await caller.get(f"{path}/mine"), await caller.get(f"{path}?pageSize=51"), await create(n=1)]

    assert (beside.code, full.code, fits.code) == (0, 1303, 0)
    assert [each["index"] for each in images] == [0, 1, 2]
    assert (file.content, file.headers["content-type"]) == (f"dot {task_id} 2".encode(), "image/png")
    assert emulator.ledger.entries[0].delivered == 1
    assert (emulator.ledger.entries[0].endpoint, emulator.ledger.entries[0].units) == ("images/dots", 24.0)
    assert (shown["endpoint"], list(shown["files"]), shown["width"]) == ("images/dots", ["0", "1", "2"], 8)
    remaining = [
        (pack["resource_pack_name"], pack["remaining_quantity"]) for pack in packs["resource_pack_subscribe_infos"]
    ]
    assert [(name.split("-")[1], left) for name, left in remaining] == [
        ("Video", 97.0),
        ("Image", 60.0),
        ("Try", 100.0),
    ]
    assert [answer.code for answer in answers] == [1201, 1201, 0]
    assert emulator.ledger.peak("kling-v3 (image)") == 5
    assert state["account"]["other_packs"]["image"] == {"balance": "60", "charged": "40"}
    assert emulator.ledger.charged_by == {"video": 3.0, "image": 48.0, "try-on": 0.0}
