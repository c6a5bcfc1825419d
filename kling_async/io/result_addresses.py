"""Where the files of a finished task are."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs

from kling_async.io.target import Target
from kling_async.protocol import file_addresses
from kling_async.protocol.errors import DownloadError, Remedy
from kling_async.protocol.result_files import ResultFile, files_for, files_of
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.tasks import Task

Refresh = Callable[[], Awaitable[Task]]
"""Asks the service for the task anew: its addresses expire."""


class Source:
    """Where a task's files are, asked for anew when the addresses expire or nothing is there yet.

    Args:
        task: finished.
        refresh: asks for it anew.
        watermark: whether the watermarked variants are meant.
        scheme: that addresses without one have.
        is_new: whether the task ended a moment ago.
        place: where they are to be saved: a directory takes all files, a file those of one kind.
    """

    def __init__(
        self,
        task: Task,
        refresh: Refresh,
        *,
        watermark: bool,
        scheme: str,
        is_new: Callable[[Task], bool],
        place: Target | None = None,
    ) -> None:
        self._task = task
        self._refresh = refresh
        self._watermark = watermark
        self._scheme = scheme
        self._is_new = is_new
        self._every_kind = place is not None and place.is_directory and not watermark
        self._suffix = "" if place is None or place.is_directory else place.path.suffix
        self._expected = (place and place.kind) or ResultKind.ANY
        self._by_bytes = place is not None and place.is_directory and place.kind is ResultKind.ANY
        self._renewed: set[int] = set()
        self._arriving = False
        self._files = self._listed()
        self.reference = task.reference

    def is_complete(self) -> bool:
        """Whether all that was made is told of: a task may succeed a moment before its results are listed."""
        marked = not (self._watermark and self._task.watermark) or all(file.watermark_url for file in self._files)
        return bool(self._files or self._task.voices or self._task.elements) and marked

    @property
    def lacks_mark(self) -> bool:
        """Whether watermarked variants are wanted, and none is told of."""
        return self._watermark and not any(file.watermark_url for file in self._files)

    def count(self) -> int:
        """How many files there are.

        Raises:
            DownloadError: none, or none that could be fetched.
        """
        if not self._files:
            raise DownloadError(self._nothing(), reference=self.reference)
        problems = [self.problem(index) for index in range(len(self._files))]
        if all(problems) and problems[0] is not None:
            raise problems[0]
        return len(self._files)

    def problem(self, index: int) -> DownloadError | None:
        """Why a file cannot be fetched, if that is known already."""
        try:
            self.address(index)
        except DownloadError as error:
            return error.about(self.reference)
        return None

    def kind(self, index: int) -> ResultKind:
        """What a file is."""
        return self._file(index).kind

    def label(self, index: int) -> str:
        """Names the file for ever, whatever its address is at the moment."""
        return f"{self._task.task_id}/{self._file(index).label}" + ("/watermark" if self._watermark else "")

    def path(self, place: Target, index: int) -> Path:
        """The name of a file: the place itself, or a name of its own in a directory."""
        file = self._file(index)
        if place.is_directory:
            return place.path / file.name(self._task.task_id, place.name, watermark=self._watermark)
        number = f"-{file.number + 1}" if file.number else ""
        return place.path.with_name(f"{place.path.stem}{number}{place.path.suffix}") if number else place.path

    def address(self, index: int) -> str:
        """Where it can be fetched at the moment, as it goes out.

        Raises:
            DownloadError: nowhere.
        """
        file = self._file(index)
        address = file.watermark_url if self._watermark else file.url
        if address:
            return file_addresses.usable(address, self._scheme)
        what = file.kind.value
        if self._watermark:
            raise DownloadError(
                f"the task has no watermarked {what}", remedy=Remedy.WATERMARK, reference=self.reference
            )
        if file.watermark_url:
            raise DownloadError(
                f"the task has a watermarked {what} only", remedy=Remedy.SAVE_WATERMARK, reference=self.reference
            )
        raise DownloadError(f"the service gave no address of the {what}", reference=self.reference)

    async def renew(self, index: int, http_status: int) -> bool:
        """Asks for fresh addresses: once, or as often as it takes where a new file has not arrived yet.

        Returns:
            Whether to fetch at once, not later.

        Raises:
            DownloadError: the fresh one was refused, too.
        """
        if http_status == 404 and (self._arriving or self._is_new(self._task)):
            self._arriving = True
            await self.ask_anew()
            return False
        if index in self._renewed:
            raise DownloadError(
                f"the file host refuses the address of the {self._file(index).kind.value}, also a fresh one; results "
                "are kept for 30 days",
                http_status=http_status,
                reference=self.reference,
            )
        self._renewed.add(index)
        await self.ask_anew()
        return True

    async def ask_anew(self) -> None:
        """Asks the service for the task; an answer about another one changes nothing."""
        task = await self._refresh()
        if task.task_id == self._task.task_id:
            self._task = task
            self._files = self._listed()

    def _listed(self) -> tuple[ResultFile, ...]:
        files = files_of(self._task)
        if self._by_bytes:
            return tuple(attrs.evolve(file, kind=ResultKind.ANY, number=place) for place, file in enumerate(files))
        return files if self._every_kind else files_for(self._task, self._suffix)

    def _file(self, index: int) -> ResultFile:
        if index >= len(self._files):
            raise DownloadError("the task does not have this file any more", reference=self.reference)
        return self._files[index]

    def _nothing(self) -> str:
        """Why there is nothing to save."""
        for made, member in ((self._task.voices, "voices"), (self._task.elements, "elements")):
            if made:
                return f"the task made {member}, which are no files: take their ids from task.{member}"
        elsewhere = "; its results are in task.raw" if self._task.raw else ""
        return f"the finished task has no {self._expected.value}{elsewhere}"
