"""The layer rule: a module imports only from above it in one list, also under `TYPE_CHECKING` and in functions."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import kling_async
from kling_async.protocol.catalog import all_endpoints
from kling_async.protocol.endpoint import Generation

ROOT = "kling_async"
FOLDER = Path(kling_async.__file__).parent
EMULATOR = f"{ROOT}.emulator"

PAGE = Path(__file__).parent.parent / "ARCHITECTURE.md"
# Top to bottom. A package may stand for its modules, whose order among themselves is then free of circles only.
LAYERS = (
    PAGE.read_text("utf-8").partition("<!-- layers -->")[2].partition("<!-- /layers -->")[0].strip("`\n").splitlines()
)
NAMES = [line.split()[0] for line in LAYERS if line.strip()]
NAMES.insert(NAMES.index("emulator"), "")  # the package itself, which exports what is above
ORDER = [f"{ROOT}.{name}".rstrip(".") for name in NAMES]

IMPURE = {"aiohttp", "asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "queue", "random", "secrets"}
IMPURE |= {"selectors", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time"}
IMPURE |= {"urllib.request", "uuid"}


def named(path: Path) -> str:
    """The module in this file."""
    parts = path.relative_to(FOLDER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {named(path): ast.parse(path.read_text("utf-8")) for path in sorted(FOLDER.rglob("*.py"))}
PACKAGES = {named(path) for path in FOLDER.rglob("__init__.py")}
PURE = [module for module in TREES if module.startswith(f"{ROOT}.protocol")]
EMULATOR_MODULES = [module for module in TREES if module.startswith(EMULATOR)]


def imports(module: str) -> set[str]:
    """All that a module imports anywhere in its file: modules, and names prefixed with their module."""
    return imports_in(TREES[module], module)


def for_checkers(module: str) -> list[ast.AST]:
    """The blocks that only type checkers read."""
    blocks = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.If)]
    return [each for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING" for each in node.body]


def imports_in(tree: ast.AST, module: str) -> set[str]:
    """All that is imported in a part of a module's file."""
    package = module if module in PACKAGES else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            found |= {f"{source}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """The modules of this package that a module imports, or imports names from."""
    names = {name for name in imports(module) if name == ROOT or name.startswith(f"{ROOT}.")}
    return {name if name in TREES else name.rpartition(".")[0] for name in names}


def layer(module: str) -> str:
    """The entry of the list that a module belongs to: the module itself, or its package."""
    name = module
    while name not in ORDER and name.rpartition(".")[0] not in {ROOT, f"{ROOT}.protocol", ""}:
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("module", TREES)
def test_every_module_has_its_layer(module: str) -> None:
    """Every module is in the list."""
    assert layer(module) in ORDER


def test_the_page_lists_what_there_is() -> None:
    """ARCHITECTURE.md names only modules that exist, each once."""
    assert set(ORDER) - set(TREES) == set()
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("module", TREES)
def test_a_module_imports_from_above_it(module: str) -> None:
    """The modules that a module imports are above it in the list, or beside it in the same package."""
    place = ORDER.index(layer(module))
    below = {name for name in ours(module) if ORDER.index(layer(name)) > place}
    beside = {name for name in ours(module) if layer(name) == layer(module) and layer(module) not in PACKAGES}
    assert below | beside == set()


def test_no_imports_go_in_a_circle() -> None:
    """The import graph has no cycle."""
    TopologicalSorter({module: ours(module) for module in TREES}).prepare()


@pytest.mark.parametrize("module", EMULATOR_MODULES)
def test_the_emulator_imports_nothing_of_ours(module: str) -> None:
    """The emulator imports nothing of the package, since a shared codec would hide symmetric mistakes."""
    assert {name for name in ours(module) if not name.startswith(EMULATOR)} == set()


@pytest.mark.parametrize("module", TREES)
def test_only_the_command_line_and_the_fixtures_use_the_emulator(module: str) -> None:
    """The library itself never imports the emulator."""
    allowed = layer(module) in {EMULATOR, f"{ROOT}.cli", f"{ROOT}.testing"}
    assert allowed or not any(name.startswith(EMULATOR) for name in ours(module))


@pytest.mark.parametrize("module", PURE)
def test_the_core_is_pure(module: str) -> None:
    """The core imports nothing that waits, reads the clock or draws random numbers, and opens no file."""
    names = imports(module)
    assert {name for name in names for bad in IMPURE if f"{name}.".startswith(f"{bad}.")} == set()
    calls = [node.func for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    assert {call.id for call in calls if isinstance(call, ast.Name)} & {"open", "print", "input", "__import__"} == set()
    named_only = {name for block in for_checkers(module) for name in imports_in(block, module)}
    assert {name for name in names - named_only if name.startswith("pathlib")} <= {"pathlib.PurePath"}


@pytest.mark.parametrize("module", sorted(TREES.keys() - {f"{ROOT}.io.system", f"{EMULATOR}.faults.injection"}))
def test_one_module_checks_the_operating_system(module: str) -> None:
    """Only `io.system` checks the operating system; the emulator has its own reset."""
    lookups = {ast.unparse(node) for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute | ast.Call)}
    assert lookups & {"sys.platform", "os.name", "platform.system()"} == set()
    assert not [each for each in lookups if each.startswith(("hasattr(os,", "getattr(os,"))]
    assert imports(module) & {"fcntl", "msvcrt", "resource", "winreg", "pwd", "grp", "termios"} == set()


def run(script: str, *arguments: str) -> str:
    """What a script prints in a separate interpreter, where warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


ALONE = """
import importlib, sys, traceback, types
bare = types.ModuleType("kling_async")
bare.__path__ = [sys.argv[1]]
with_its_package = set()  # what a package imports itself begins with that package, whichever of it is named
for name in sys.argv[2:]:
    if name in with_its_package:
        continue
    for loaded in [each for each in sys.modules if each.partition(".")[0] == "kling_async"]:
        del sys.modules[loaded]
    if not name.startswith(("kling_async.cli", "kling_async.testing")):
        sys.modules["kling_async"] = bare
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc())
    with_its_package |= {each for each in sys.modules if each.startswith(f"{name}.")}
"""


@pytest.mark.slow
def test_every_module_imports_alone() -> None:
    """Each module can be imported first, without the package's `__init__`, and without a warning."""
    modules = [module for module in TREES if not module.endswith(".__main__")]  # importing those runs them
    assert run(ALONE, str(FOLDER), *modules) == ""


LAZY = ["decimal", "html", "jwt", "cattrs", "backoff", "importlib.metadata", "kling_async.emulator", "rich"]
LAZY += [
    f"kling_async.{name}" for name in ("io.request_checks", "io.download", "protocol.wire.codec", "protocol.capability")
]


LAZY_ENDPOINTS = """
import sys
import kling_async
kling = kling_async.KlingClient(api_key="key")
print(sorted(name for name in sys.modules if name.startswith("kling_async.protocol.endpoints.")))
print(kling_async.ImageToVideo("cat.jpg").image.path, callable(kling.image_to_video), hasattr(kling_async, "Nothing"))
"""


def test_endpoints_are_imported_on_first_use() -> None:
    """Neither the package nor a client imports an endpoint before it is used, since all of them take long."""
    assert run(LAZY_ENDPOINTS) == "[]\ncat.jpg True False\n"


NAMED = """
import sys
from kling_async import ImageToVideo
from kling_async.protocol import catalog
catalog.endpoint_of(ImageToVideo("cat.jpg"))
before = {*sys.modules}
print(catalog.endpoint_named("image2video").record is ImageToVideo, sorted({*sys.modules} - before))
"""


def test_the_name_of_a_loaded_endpoint_imports_no_other() -> None:
    """Looking up a loaded endpoint imports no other, which would slow down the first create."""
    assert run(NAMED) == "True []\n"


def test_rarely_used_modules_are_imported_on_first_use() -> None:
    """Importing the package imports nothing, and importing the client nothing that is slow and may be unused."""
    assert run("import sys, kling_async; print([*filter({'aiohttp', 'attrs'}.__contains__, sys.modules)])") == "[]\n"
    script = (
        "import sys; from kling_async import KlingClient; print([name for name in sys.argv[1:] if name in sys.modules])"
    )
    assert run(script, *LAZY) == "[]\n"


SAVES = """
import asyncio, sys, tempfile, threading
from pathlib import Path
from kling_async import TextToSpeech, TextToVideo
from kling_async.testing import KlingEmulator

imported = []

def audit(event, arguments):
    if event == "import" and threading.current_thread() is threading.main_thread():
        imported.append(arguments[0])

async def main(emulator, folder):
    async with emulator.client() as kling:
        video = await kling.submit(TextToVideo("a cat"))
        speech = await kling.submit(TextToSpeech("Hello", voice_id="calm_story1", voice_language="en"))
        await video
        sys.addaudithook(audit)
        match sys.argv[1]:
            case "save":
                await asyncio.gather(video.save(folder / "cat.mp4"), video.save(folder / "again.mp4"))
            case "save_all":
                await video.save_all(folder)
            case "generate":
                await kling.generate(TextToVideo("a cat"), folder / "cat.mp4")
            case "stream":
                [_ async for _ in video.stream()]
            case "open":
                async with video.open() as file:
                    [_ async for _ in file]
            case "sound":
                await speech.audios[0].save(folder / "hello.mp3")

with KlingEmulator() as emulator, tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(emulator, Path(folder)))
print([name for name in imported if name.startswith("kling_async")])
"""


@pytest.mark.parametrize(
    "way",
    [
        "save",
        "open",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("save_all", "generate", "stream", "sound")),
    ],
)
def test_saving_is_not_imported_on_the_loop(way: str) -> None:
    """The modules that save and stream files are imported in a thread, so that the loop is not blocked."""
    assert run(SAVES, way) == "[]\n"


# ------------------------------------------------------------------------------------------ names of endpoints

HOUSES = (f"{ROOT}.protocol.endpoints", f"{ROOT}.emulator.service.endpoints")
"""Where endpoints are at home: each may be named in its own house only."""
NAMED_ONCE = {
    ROOT: "the record whose map `capabilities()` gives where none is named",
    f"{ROOT}.client": "one line for each method",
    f"{ROOT}.models": "the same of the current generation",
    f"{ROOT}.parameters": "what those methods take",
    f"{ROOT}.cli.endpoints": "what the shell command makes where no endpoint is named",
    f"{ROOT}.batch.endpoints": "what a row of a batch makes that names none",
}


def endpoint_names() -> set[str]:
    """All names of endpoints: in references, as records, as methods, as subcommands and by their paths."""
    found: set[str] = set()
    for endpoint in all_endpoints():
        method = endpoint.record.__module__.rpartition(".")[2]
        found |= {endpoint.path, endpoint.record.__name__, method, method.replace("_", "-")}
        if endpoint.generation is Generation.LEGACY:  # all of the current one have the same name, which is a plain word
            found.add(endpoint.name)
    return found


def words(tree: ast.Module) -> Iterator[str]:
    """The identifiers of a module, its imports, and its literals that are not docstrings."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings, of attributes too
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in prose:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str() as name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case ast.ImportFrom(module=str() as name):
                yield from name.split(".")
            case _:
                pass


@pytest.mark.parametrize("module", [module for module in TREES if not module.startswith(HOUSES)])
def test_no_endpoint_is_named_outside_its_module(module: str) -> None:
    """A new endpoint changes no module but its own, the exports and one line of the client."""
    names = "|".join(sorted(map(re.escape, endpoint_names()), key=len, reverse=True))
    whole = re.compile(rf"(?<![\w/-])({names})(?![\w-])")
    found = {match[1] for word in words(TREES[module]) for match in whole.finditer(word)}
    assert not found or module in NAMED_ONCE


def test_the_client_names_endpoints_in_one_line_each() -> None:
    """Each legacy endpoint has one line in the client, and is named nowhere else there."""
    lines = Path(FOLDER / "client.py").read_text("utf-8").splitlines()
    for endpoint in all_endpoints():
        if endpoint.generation is Generation.CURRENT:
            continue
        method = endpoint.record.__module__.rpartition(".")[2]
        line = f"    {method} = submits(lambda: endpoints.{endpoint.record.__name__})"
        named = re.compile(rf"\b({method}|{endpoint.record.__name__}|{re.escape(endpoint.name)})\b")
        code = [each for each in lines if named.search(each) and "`" not in each]
        assert [each for each in code if "kling." not in each] == [line]
