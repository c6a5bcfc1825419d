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
        url: where it is; empty where only the watermarked variant is given.
        watermark_url: the watermarked variant, where there is one.
        suffix: what its name ends in whatever its address does: of sound that comes twice.
    """

    kind: ResultKind
    number: int
    label: str
    url: str
    watermark_url: str | None = None
    suffix: str = ""

    def name(self, task_id: str, given: str | None = None, *, watermark: bool) -> str:
        """What it is called in a directory: `<task_id>.png`, `<task_id>-watermark-2.png`.

        Args:
            task_id: whose file it is.
            given: in place of the task's id: `<given>.watermark.2.png`, since `<given>-2` may be given to another task.
            watermark: whether it is the watermarked variant.
        """
        address = self.suffix or (self.watermark_url if watermark else self.url)
        stem, separator = (task_id, "-") if given is None else (given, ".")
        return self.kind.file_name(stem, self.number, address or "", watermark=watermark, separator=separator)


def files_of(task: Task) -> tuple[ResultFile, ...]:
    """All files of a finished task: the videos first, sound as MP3 and as WAV.

    Of results of an unknown kind, whatever has an address.
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
    """The files of a finished task that are meant by a name: of one kind, each once.

    Args:
        task: finished.
        suffix: of the name that the user chose: of a video with its sound, `.mp3` and `.wav` mean the sound, and of
            sound that comes twice, `.wav` means the WAV. Any other means the first kind, and the MP3.
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
