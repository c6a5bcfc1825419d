"""The result of a successful command as text and JSON: files, voices, elements, and their cost."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from kling_async import estimate
from kling_async.cli.data import as_data
from kling_async.cli.output import dollars, file_size, number, units_of
from kling_async.protocol.catalog import described_by, endpoint_named
from kling_async.protocol.cost import Cost as Charged
from kling_async.protocol.endpoint import Pool
from kling_async.protocol.result_files import files_for
from kling_async.protocol.tasks import Task


@attrs.frozen
class Cost:
    """The cost of a request.

    Attributes:
        units: of the resource pack; None where unknown.
        pack: that the units are taken from.
        usd: dollars, of the units at list price.
        from_service: whether the cost is from the service; else it is from the price table.
        amount: money that was paid, for accounts that pay in money.
        currency: of the amount; None where the service did not name it.
    """

    units: Decimal | None = None
    usd: Decimal | None = None
    from_service: bool = False
    amount: Decimal | None = None
    currency: str | None = None
    pack: str = Pool.VIDEO.value

    def units_text(self) -> str:
        """Returns the units with their pack; empty where there are none."""
        return units_of(self.pack, self.units) if self.units else ""

    def text(self, *, emulated: bool) -> str:
        """Returns the cost as text."""
        if self.amount:
            money = f"{number(self.amount)} {self.currency or 'of a currency that the service does not name'}"
            paid = " and ".join(filter(None, [self.units_text(), money]))
            return f"would have cost {paid}; nothing was paid" if emulated else paid
        if self.units is None and self.amount is not None:
            return "nothing"
        if self.units is None:
            return "not known: the service does not give it, and the price table has no such clip"
        if self.units == 0:
            return "nothing"
        if self.usd is None:
            return f"{self.units_text()}, of which no price is known"
        amount = f"{self.units_text()}, {dollars(self.usd)}"
        if emulated:
            return f"would have cost {amount}; nothing was paid"
        return f"{amount} at list price" if self.from_service else f"about {amount} (price table)"


def cost_of(result: Any, request: Any = None) -> Cost:
    """Returns the cost of a task or a call from the service, else that of its request from the price table.

    Args:
        result: the task, or the value of a call; None before there is one.
        request: of the result; None where it is not known.
    """
    charged: Charged | None = getattr(result, "cost", None)
    endpoint = endpoint_named(result.endpoint) if isinstance(result, Task) else described_by(type(request))
    pack = (charged and charged.package_type) or (endpoint.pool if endpoint is not None else Pool.VIDEO).value
    if charged is not None and endpoint is not None:
        usd = endpoint.usd_of(charged)
        return Cost(charged.units, usd, from_service=True, amount=charged.amount, currency=charged.currency, pack=pack)
    if request is None:
        return Cost()
    expected = estimate(request)
    return Cost(expected.units, expected.usd, pack=pack)


@attrs.frozen(kw_only=True)
class Result:
    """The result of a finished task.

    Attributes:
        task: finished.
        paths: of its saved files.
        watermark_paths: of their watermarked variants, if they were saved as well.
        cost: of the task.
        seconds: from the command's start to its end.
        emulated: whether the task was made by an emulator.
    """

    task: Task
    paths: Sequence[Path] = ()
    watermark_paths: Sequence[Path] = ()
    cost: Cost
    seconds: float
    emulated: bool = False

    def text(self) -> str:
        """Returns text for people."""
        rows = [
            *self._made(),
            ("took", f"{self.seconds:.1f} s"),
            ("cost", self.cost.text(emulated=self.emulated)),
            ("reference", self.task.reference),
        ]
        return "\n".join(f"{name:<9}  {value}" for name, value in rows)

    def short(self) -> str:
        """Returns text for scripts: the saved paths, or the ids of what stays at the service."""
        return "\n".join([*map(str, self.paths), *(id_ for id_, _ in _kept(self.task))])

    def data(self) -> dict[str, Any]:
        """Returns JSON data."""
        paths, marks = [[str(path) for path in each] for each in (self.paths, self.watermark_paths)]
        length = length_of(self.task)
        sizes = [size_of(path) for path in self.paths]
        return {
            "reference": self.task.reference,
            "task_id": self.task.task_id,
            "external_task_id": self.task.external_task_id,
            "status": self.task.status.value,
            "path": paths[0] if paths else None,
            "paths": paths,
            "watermark_path": marks[0] if marks else None,
            "watermark_paths": marks,
            "size": sum(filter(None, sizes)) if sizes and None not in sizes else None,
            "duration": as_data(length),
            **ids_of(self.task),
            "voices": as_data(self.task.voices),
            "elements": as_data(self.task.elements),
            "units": as_data(self.cost.units),
            "usd": as_data(self.cost.usd),
            "amount": as_data(self.cost.amount),
            "currency": self.cost.currency,
            "cost_told": self.cost.from_service,
            "emulated": self.emulated,
            "seconds": round(self.seconds, 3),
        }

    def _made(self) -> list[tuple[str, str]]:
        rows = [("made", " ".join(filter(None, each))) for each in _kept(self.task)]
        length = length_of(self.task)
        for index, path in enumerate(self.paths):
            about = [size_text(path)]
            if index == 0 and length is not None:
                # A video may have any suffix; only a suffix of sound files selects the sound of a video.
                about.append(f"{number(length)} s of {files_for(self.task, path.suffix)[0].kind.value}")
            rows.append(("saved", f"{path} ({', '.join(about)})"))
        rows += [("watermark", str(path)) for path in self.watermark_paths]
        rows += [("video id", video.id) for video in self.task.videos if video.id]
        rows += [("audio id", audio.id) for audio in self.task.audios if audio.id]
        try:
            places = [path.resolve() for path in self.paths]
        except FileNotFoundError:  # the current directory was deleted
            return rows
        if len(places) == 1:
            player = ", or the file in any player" * (length is not None)
            rows.append(("open", f"{places[0].as_uri()} in a browser{player}"))
        elif places:
            rows.append(("open", f"{places[0].parent.as_uri()} in a browser"))
        return rows


def size_of(path: Path) -> int | None:
    """Returns the bytes of a saved file; None where another process has moved it since, as watchers of folders do."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def size_text(path: Path) -> str:
    """Returns the size of a saved file as text."""
    size = size_of(path)
    return "no longer there" if size is None else file_size(size)


def ids_of(task: Task) -> dict[str, Any]:
    """Returns the ids by which other requests take a result, as JSON data; without addresses, which are signed."""
    return {
        "video_ids": [video.id for video in task.videos],
        "audio_ids": [audio.id for audio in task.audios],
        "voices": [{"voice_id": voice.voice_id, "voice_name": voice.voice_name} for voice in task.voices],
        "elements": [{"element_id": each.element_id, "element_name": each.element_name} for each in task.elements],
    }


def length_of(task: Task) -> Decimal | None:
    """Returns the seconds of the first video or sound; None where there is none."""
    durations = [*(video.duration for video in task.videos), *(audio.duration for audio in task.audios)]
    return durations[0] if durations else None


def made_by(task: Task) -> str:
    """Returns a short description of a task's result: `5.041 s`, `4 pictures`, the id of a voice."""
    length = length_of(task)
    parts = [f"{number(length)} s"] if length is not None else []
    parts += [f"{len(task.images)} picture{'s' * (len(task.images) > 1)}"] if task.images else []
    return ", ".join([*parts, *(" ".join(filter(None, each)) for each in _kept(task))])


def _kept(task: Task) -> list[tuple[str, str]]:
    """Returns id and name of each voice and element, which stay at the service."""
    voices = [(voice.voice_id, voice.voice_name) for voice in task.voices]
    return voices + [(str(element.element_id), element.element_name) for element in task.elements]
