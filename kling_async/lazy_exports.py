"""Lazy exports: a package exports names that it imports only on first use.

A package lists each name once, as an import for type checkers:

```python
if TYPE_CHECKING:
    from kling_async.protocol.records import ImageToVideo as ImageToVideo
else:
    __getattr__, __dir__ = import_on_use(__name__)
```

At run time the same line is parsed to find the name's module. As for type checkers, `Name as Name`, `*` and functions
are exports; other imports are not.
"""

import ast
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any


def import_on_use(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns the `__getattr__` and the `__dir__` of a package; `__all__` is sorted, and computed on access."""

    def get(name: str) -> Any:
        if name == "__all__":
            return sorted(exports(package))
        module = None if name.startswith("_") else exports(package).get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        if module == package:  # a submodule
            return importlib.import_module(f"{package}.{name}")
        found = getattr(importlib.import_module(module), name)
        setattr(sys.modules[package], name, found)  # the next use does not call this
        return found

    return get, lambda: sorted({*vars(sys.modules[package]), *exports(package)})


@functools.cache
def exports(package: str) -> dict[str, str]:
    """Returns the names that a package exports, imported or not, each with its module.

    Raises:
        ImportError: the package's source is not available, as in some frozen programs.
    """
    spec = importlib.util.find_spec(package)
    loader: Any = spec and spec.loader
    source = None
    if hasattr(loader, "get_source"):
        source = loader.get_source(package)
    elif spec is not None and spec.origin and hasattr(loader, "get_data"):  # as pytest's, which rewrites assertions
        source = importlib.util.decode_source(loader.get_data(spec.origin))
    if source is None:
        raise ImportError(f"the source of {package} is needed to find what it exports; ship it with the program")
    tree = ast.parse(source)
    found = {node.name: package for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if alias.name == "*":
                    found |= exports(node.module)
                elif alias.asname == alias.name and alias.name[0] != "_":
                    found[alias.name] = node.module
    return found
