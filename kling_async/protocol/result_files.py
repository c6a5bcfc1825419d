"""The files among a task's results: their kinds, addresses and names."""

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
        kind: of the file.
        number: of the file among those of its kind, from 0.
        label: identifies it permanently within the task, even if its address changes.
        url: address of the file; empty if there is only the watermarked variant.
        watermark_url: address of the watermarked variant, if there is one.
        suffix: of its name, whatever its address; set for sound that comes in two formats.
    """

    kind: ResultKind
    number: int
    label: str
    url: str
    watermark_url: str | None = None
    suffix: str = ""

    def name(self, task_id: str, given: str | None = None, *, watermark: bool) -> str:
        """Returns its name in a directory: `<task_id>.png`, `<task_id>-watermark-2.png`.

        Args:
            task_id: of its task.
            given: name to use instead of the task's id: `<given>.watermark.2.png`, since `<given>-2` may be another
                task's name.
            watermark: whether it is the watermarked variant.
        """
        address = self.suffix or (self.watermark_url if watermark else self.url)
        stem, separator = (task_id, "-") if given is None else (given, ".")
        return self.kind.file_name(stem, self.number, address or "", watermark=watermark, separator=separator)


def files_of(task: Task) -> tuple[ResultFile, ...]:
    """Returns all files of a finished task: the videos first, sound as MP3 and as WAV.

    For results of an unknown kind, everything with an address.
    """
    known = (
        *(_video(number, video) for number, video in enumerate(task.videos)),
        *(_picture(number, picture) for number, picture in enumerate(task.images)),
        *(file for number, audio in enumerate(task.audios) for file in _sounds(number, audio)),
    )
    if known or task.voices or task.elements:
        return known
    return tuple(
        ResultFile(kind=ResultKind.ANY, number=number, label=f"file/{label or number + 1}", url=url, watermark_url=mark)
        for number, (label, url, mark) in enumerate(_addresses(task.raw))
    )


def files_for(task: Task, suffix: str) -> tuple[ResultFile, ...]:
    """Returns the files of a finished task that a name stands for: all of one kind, each in one format.

    Args:
        task: the finished task.
        suffix: of the name that the user chose. For a video with its sound, `.mp3` and `.wav` select the sound; for
            sound in two formats, `.wav` selects the WAV. Any other suffix selects the first kind, and the MP3.
    """
    wanted, chosen = suffix.lower(), dict[int, ResultFile]()
    files = files_of(task)
    kind = next((file.kind for file in files if wanted in file.kind.suffixes), files[0].kind if files else None)
    for file in files:
        if file.kind is kind and (file.number not in chosen or file.suffix == wanted):
            chosen[file.number] = file
    return tuple(chosen.values())


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


def _sounds(number: int, audio: Audio) -> Iterator[ResultFile]:
    label = f"audio/{audio.id or number + 1}"
    if audio.url:
        suffix = ".mp3" if audio.url_wav else ""
        yield ResultFile(kind=ResultKind.AUDIO, number=number, label=label, url=audio.url, suffix=suffix)
    if audio.url_wav:
        yield ResultFile(kind=ResultKind.AUDIO, number=number, label=f"{label}/wav", url=audio.url_wav, suffix=".wav")


def _addresses(raw: Any) -> Iterator[tuple[str, str, str | None]]:
    """Yields id, address and watermarked variant of all that has an address: the result, or items of its arrays."""
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
