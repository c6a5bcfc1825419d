"""Models of the current generation, as returned by `KlingClient.model`: each has the methods that it supports.

```python
turbo = kling.model("kling-3.0-turbo")
handle = await turbo.image_to_video("cat.png", prompt="the cat yawns")
```
"""

import abc
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, Protocol, overload

import attrs

from kling_async import parameters
from kling_async.methods import submits
from kling_async.protocol.errors import InvalidRequest

P = ParamSpec("P")


class Client(Protocol):
    """The methods of the client that a model calls."""

    def submit(self, request: Any) -> Any:
        """Submits a record."""
        ...


class _makes(submits[P]):  # noqa: N801  (lower case, as `submits`)
    """A method that takes all parameters of a record except the model, and submits the record for the model.

    Args:
        record: returns the class of the parameters; the record itself is in the same module.
    """

    def _sent(self, client: Any, record: Any) -> Any:
        values = {field.alias: getattr(record, field.name) for field in attrs.fields(type(record))}
        return client.client.submit(_record_of(type(record))(model=client.name, **values))

    def _public_name(self, record: Callable[..., object]) -> str:
        return f"current.{_record_of(record).__name__}"

    def _documentation(self, record: Callable[..., object]) -> str:
        lines = super()._documentation(record).splitlines()
        return "\n".join(line for line in lines if not line.startswith("    model:"))

    def _ends(self) -> str:
        returns = "The handle; the client follows the task from now on."
        return f"Returns:\n    {returns}\n\nRaises:\n    KlingError: as `submit`."


def _record_of(parameters: Any) -> Any:
    """Returns the record class that has these parameters and the model."""
    return importlib.import_module(parameters.__module__).ENDPOINT.record


class KlingModel:
    """One model of a client; its methods are those that the model supports.

    Attributes:
        client: the client that submits.
        name: of the model, a segment of the path.
    """

    __slots__ = ("client", "name")

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name

    def __repr__(self) -> str:
        """The model's name."""
        return f"<KlingModel {self.name}>"

    if not TYPE_CHECKING:  # type checkers report missing attributes themselves

        def __getattr__(self, name: str) -> Any:
            """Raises an error that lists the methods that the model has."""
            has = methods_of(type(self))
            if name in has:  # creating the method failed: raise that error again
                return inspect.getattr_static(self, name).__get__(self, type(self))
            others = [model for model, kind in MODELS.items() if name in methods_of(kind)]
            elsewhere = f"; {' and '.join(others)} have it" if others else ""
            raise AttributeError(f"{self.name} has no {name}, but {', '.join(has)}{elsewhere}", name=name, obj=self)


class ClipModel(KlingModel):
    """A model that generates videos from text and from images."""

    __slots__ = ()

    text_to_video = _makes(lambda: parameters.TextToVideoParameters)
    image_to_video = _makes(lambda: parameters.ImageToVideoParameters)


class ClipAndMotionModel(ClipModel):
    """A model that also animates the person in an image after the motion in a video."""

    __slots__ = ()

    motion_control = _makes(lambda: parameters.MotionControlParameters)


class OmniModel(KlingModel):
    """A model that generates videos from text, images, elements and a video."""

    __slots__ = ()

    omni_video = _makes(lambda: parameters.OmniVideoParameters)


class AnyModel(ClipAndMotionModel, OmniModel):
    """A model unknown to this version: it has all methods, since it may support any of them."""

    __slots__ = ()


MODELS: Final[Mapping[str, type[KlingModel]]] = {
    "kling-3.0-turbo": ClipModel,
    "kling-3.0": ClipAndMotionModel,
    "kling-3.0-omni": OmniModel,
    "kling-o1": OmniModel,
    "kling-2.6": ClipAndMotionModel,
    "kling-2.5-turbo": ClipModel,
}
"""The methods of each model in the service's documentation."""


def methods_of(kind: type[KlingModel]) -> list[str]:
    """Returns the names of the methods of a model class."""
    return [name for name in dir(kind) if isinstance(inspect.getattr_static(kind, name), submits)]


class Models(abc.ABC):
    """The part of a client that returns models of the current generation."""

    @abc.abstractmethod
    def submit(self, request: Any) -> Any:
        """Submits a record."""

    @abc.abstractmethod
    def check_current(self) -> None:
        """Checks that the client's credentials and host support the current generation.

        Raises:
            ConfigurationError: they do not.
        """

    # The overloads overlap: a str might be one of the literals, which have fewer methods.
    @overload
    def model(self, name: Literal["kling-3.0-turbo", "kling-2.5-turbo"]) -> ClipModel: ...  # type: ignore[overload-overlap]  # a literal is text, too

    @overload
    def model(self, name: Literal["kling-3.0", "kling-2.6"]) -> ClipAndMotionModel: ...  # type: ignore[overload-overlap]  # each is also a str, the last overload

    @overload
    def model(self, name: Literal["kling-3.0-omni", "kling-o1"]) -> OmniModel: ...  # type: ignore[overload-overlap]  # each is also a str, the last overload

    @overload
    def model(self, name: str) -> AnyModel: ...

    def model(self, name: str) -> Any:
        """Returns a model of the current generation, with the methods that it supports; sends no request.

        Args:
            name: as in the service's paths. A name unknown to this version gets all methods, and its requests are
                sent with a warning.

        Raises:
            InvalidRequest: `name` is not a path segment: not text, blank, or with characters that are not allowed.
            ConfigurationError: these paths need an API key, or the client's host does not serve them.
        """
        from kling_async.protocol.rules.values import segment  # noqa: PLC0415  (on first use: slow to import)

        if problems := [*segment("model", name)]:
            raise InvalidRequest.of(problems)
        self.check_current()
        return MODELS.get(name, AnyModel)(self, name)
