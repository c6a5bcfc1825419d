"""Models of the current generation: what `KlingClient.model` gives, with the methods that each of them has.

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
    """What a model needs of its client."""

    def submit(self, request: Any) -> Any:
        """Submits a record."""
        ...


class _makes(submits[P]):  # noqa: N801  (reads as what it does, as `submits`)
    """A method that takes all of a record but the model, and submits it with that.

    Args:
        record: gives what the method takes; the record itself is beside it.
    """

    def _sent(self, client: Any, record: Any) -> Any:
        values = {field.alias: getattr(record, field.name) for field in attrs.fields(type(record))}
        return client.client.submit(_whole(type(record))(model=client.name, **values))

    def _called(self, record: Callable[..., object]) -> str:
        return f"current.{_whole(record).__name__}"

    def _documentation(self, record: Callable[..., object]) -> str:
        lines = super()._documentation(record).splitlines()
        return "\n".join(line for line in lines if not line.startswith("    model:"))

    def _ends(self) -> str:
        return "Returns:\n    The handle; the task is followed from now on.\n\nRaises:\n    KlingError: as `submit`."


def _whole(parameters: Any) -> Any:
    """The record of which these are all but the model."""
    return importlib.import_module(parameters.__module__).ENDPOINT.record


class KlingModel:
    """One model of a client: its methods are those that the model has.

    Attributes:
        client: that submits.
        name: of the model, a segment of the path.
    """

    __slots__ = ("client", "name")

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.name = name

    def __repr__(self) -> str:
        """The model's name."""
        return f"<KlingModel {self.name}>"

    if not TYPE_CHECKING:  # what is not there is an error of types

        def __getattr__(self, name: str) -> Any:
            """Says what the model has in place of what it has not."""
            has = methods_of(type(self))
            if name in has:  # it could not be made: the error says why
                return inspect.getattr_static(self, name).__get__(self, type(self))
            others = [model for model, kind in MODELS.items() if name in methods_of(kind)]
            elsewhere = f"; {' and '.join(others)} have it" if others else ""
            raise AttributeError(f"{self.name} has no {name}, but {', '.join(has)}{elsewhere}", name=name, obj=self)


class ClipModel(KlingModel):
    """A model that makes videos from words and from pictures."""

    __slots__ = ()

    text_to_video = _makes(lambda: parameters.TextToVideoParameters)
    image_to_video = _makes(lambda: parameters.ImageToVideoParameters)


class ClipAndMotionModel(ClipModel):
    """A model that also makes the person of a picture move as in a video."""

    __slots__ = ()

    motion_control = _makes(lambda: parameters.MotionControlParameters)


class OmniModel(KlingModel):
    """A model that makes a video from words, pictures, elements and a video."""

    __slots__ = ()

    omni_video = _makes(lambda: parameters.OmniVideoParameters)


class AnyModel(ClipAndMotionModel, OmniModel):
    """A model of which this version knows nothing: it may have any of these."""

    __slots__ = ()


MODELS: Final[Mapping[str, type[KlingModel]]] = {
    "kling-3.0-turbo": ClipModel,
    "kling-3.0": ClipAndMotionModel,
    "kling-3.0-omni": OmniModel,
    "kling-o1": OmniModel,
    "kling-2.6": ClipAndMotionModel,
    "kling-2.5-turbo": ClipModel,
}
"""What each model has that the service's documentation knows."""


def methods_of(kind: type[KlingModel]) -> list[str]:
    """The methods of a kind of model."""
    return [name for name in dir(kind) if isinstance(inspect.getattr_static(kind, name), submits)]


class Models(abc.ABC):
    """A client's way to the models of the current generation."""

    @abc.abstractmethod
    def submit(self, request: Any) -> Any:
        """Submits a record."""

    @abc.abstractmethod
    def check_current(self) -> None:
        """Refuses what the client's credentials or its host cannot do.

        Raises:
            ConfigurationError: the current generation is not for them.
        """

    # Any text might be one of these words, and then has fewer methods.
    @overload
    def model(self, name: Literal["kling-3.0-turbo", "kling-2.5-turbo"]) -> ClipModel: ...  # type: ignore[overload-overlap]  # a literal is text, too

    @overload
    def model(self, name: Literal["kling-3.0", "kling-2.6"]) -> ClipAndMotionModel: ...  # type: ignore[overload-overlap]  # each is also a str, the last overload

    @overload
    def model(self, name: Literal["kling-3.0-omni", "kling-o1"]) -> OmniModel: ...  # type: ignore[overload-overlap]  # each is also a str, the last overload

    @overload
    def model(self, name: str) -> AnyModel: ...

    def model(self, name: str) -> Any:
        """A model of the current generation, with the methods that it has; no request is made.

        Args:
            name: as the service's paths have it. One that this version does not know gets all methods, and what it
                is asked for is sent with a warning.

        Raises:
            InvalidRequest: it is no segment of a path: not text, blank, or with other letters.
            ConfigurationError: these paths take an API key only, or the client's host does not serve them.
        """
        from kling_async.protocol.rules.values import segment  # noqa: PLC0415  (on first use: rules take time)

        if problems := [*segment("model", name)]:
            raise InvalidRequest.of(problems)
        self.check_current()
        return MODELS.get(name, AnyModel)(self, name)
