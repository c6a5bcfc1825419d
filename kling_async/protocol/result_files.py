"""The files among a task's results: which there are, where each is, and what each is called."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kling_async.protocol.media.picture import Picture
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Audio, Video
from kling_async.protocol.tasks import Task
from kling_async.protocol.wire.members import address, identifier, items, mapping


@attrs.frozen(kw_only=True)
class ResultFile:
    """One file of a task.

    Attributes:
        kind: what it is.
        number: of its kind, from 0.
        label: names it for ever within the task, whatever its address is at the moment.
        url: where it is; empty where only the watermarked variant is told of.
        watermark_url: the watermarked variant, where there is one.
    """

    kind: ResultKind
    number: int
    label: str
    url: str
    watermark_url: str | None = None

    def name(self, task_id: str, *, watermark: bool) -> str:
        """What it is called in a directory: `<task_id>.png`, `<task_id>-watermark-2.png`."""
        address = self.watermark_url if watermark else self.url
        return self.kind.file_name(task_id, self.number, address or "", watermark=watermark)


def files_of(task: Task, *, like: str = "") -> tuple[ResultFile, ...]:
    """The files of a finished task, the videos first; of results that nobody knows, whatever has an address.

    Args:
        task: finished.
        like: the suffix of the name that the user chose: sound is taken as WAV for `.wav`, where there is one.
    """
    known = (
        *(_video(number, video) for number, video in enumerate(task.videos)),
        *(_picture(number, picture) for number, picture in enumerate(task.images)),
        *(_audio(number, audio, like) for number, audio in enumerate(task.audios)),
    )
    if known or task.voices or task.elements:
        return known
    return tuple(
        ResultFile(kind=ResultKind.ANY, number=number, label=f"file/{label or number + 1}", url=url, watermark_url=mark)
        for number, (label, url, mark) in enumerate(_addresses(task.raw))
    )


def _video(number: int, video: Video) -> ResultFile:
    return ResultFile(
        kind=ResultKind.VIDEO,
        number=number,
        label=video.id or str(number + 1),
        url=video.url,
        watermark_url=video.watermark_url,
    )


def _picture(number: int, picture: Picture) -> ResultFile:
    return ResultFile(
        kind=ResultKind.IMAGE,
        number=number,
        label=f"image/{number + 1}",
        url=picture.url,
        watermark_url=picture.watermark_url,
    )


def _audio(number: int, audio: Audio, like: str) -> ResultFile:
    as_wav = audio.url_wav is not None and (like.lower() == ".wav" or not audio.url)
    return ResultFile(
        kind=ResultKind.AUDIO,
        number=number,
        label=f"audio/{audio.id or number + 1}{'/wav' if as_wav else ''}",
        url=(audio.url_wav or "") if as_wav else audio.url,
    )


def _addresses(raw: Any) -> Iterator[tuple[str, str, str | None]]:
    """Id, address and watermarked variant of all that has an address: the result itself, or items of its arrays."""
    arrays = [[raw], *raw.values()] if isinstance(raw, Mapping) else [raw]
    for item in (mapping(item) for array in arrays for item in items(array)):
        for member, value in item.items():
            named = member == "url" or member.startswith("url_") or member.endswith("_url")
            url = address(value) if named and member != "watermark_url" else None
            if url is not None:
                label = identifier(item.get("id"))
                first = member == "url"
                label = label and (label if first else f"{label}/{member}")
                yield label or "", url, address(item.get("watermark_url")) if first else None
