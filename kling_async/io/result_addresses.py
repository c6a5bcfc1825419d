"""Addresses of the files of a finished task."""

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
"""Queries the task again, since its addresses expire."""


class Source:
    """The files of a task and their addresses, refreshed when they expire or are not listed yet.

    Args:
        task: the finished task.
        refresh: queries the task again.
        watermark: whether to use the watermarked variants.
        scheme: for addresses without one.
        is_new: whether a task ended a moment ago.
        place: the target of a save: a directory takes all files, a file those of one kind.
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
        """Whether all results are listed: a task may succeed a moment before they are."""
        marked = not (self._watermark and self._task.watermark) or all(file.watermark_url for file in self._files)
        return bool(self._files or self._task.voices or self._task.elements) and marked

    @property
    def lacks_watermark(self) -> bool:
        """Whether watermarked variants are requested, but none is listed."""
        return self._watermark and not any(file.watermark_url for file in self._files)

    def count(self) -> int:
        """Returns the number of files.

        Raises:
            DownloadError: there are none, or none that can be fetched.
        """
        if not self._files:
            raise DownloadError(self._nothing(), reference=self.reference)
        problems = [self.problem(index) for index in range(len(self._files))]
        if all(problems) and problems[0] is not None:
            raise problems[0]
        return len(self._files)

    def problem(self, index: int) -> DownloadError | None:
        """Returns why a file cannot be fetched, if that is known already."""
        try:
            self.address(index)
        except DownloadError as error:
            return error.about(self.reference)
        return None

    def kind(self, index: int) -> ResultKind:
        """Returns the kind of a file."""
        return self._file(index).kind

    def label(self, index: int) -> str:
        """Returns a permanent name of a file, independent of its current address."""
        return f"{self._task.task_id}/{self._file(index).label}" + ("/watermark" if self._watermark else "")

    def path(self, place: Target, index: int) -> Path:
        """Returns the path of a file: the target itself, possibly numbered, or a name in the target directory."""
        file = self._file(index)
        if place.is_directory:
            return place.path / file.name(self._task.task_id, place.name, watermark=self._watermark)
        number = f"-{file.number + 1}" if file.number else ""
        return place.path.with_name(f"{place.path.stem}{number}{place.path.suffix}") if number else place.path

    def address(self, index: int) -> str:
        """Returns the current address of a file, ready to be requested.

        Raises:
            DownloadError: the file has no address.
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
        """Refreshes the addresses: once, or repeatedly while a new file has not reached its host.

        Returns:
            Whether to fetch at once; else later.

        Raises:
            DownloadError: the fresh address was refused, too.
        """
        if http_status == 404 and (self._arriving or self._is_new(self._task)):
            self._arriving = True
            await self.query_again()
            return False
        if index in self._renewed:
            raise DownloadError(
                f"the file host refuses the address of the {self._file(index).kind.value}, also a fresh one; results "
                "are kept for 30 days",
                http_status=http_status,
                reference=self.reference,
            )
        self._renewed.add(index)
        await self.query_again()
        return True

    async def query_again(self) -> None:
        """Queries the task again; an answer about another task is ignored."""
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
        """Returns why there is nothing to save."""
        for made, member in ((self._task.voices, "voices"), (self._task.elements, "elements")):
            if made:
                return f"the task made {member}, which are no files: take their ids from task.{member}"
        elsewhere = "; its results are in task.raw" if self._task.raw else ""
        return f"the finished task has no {self._expected.value}{elsewhere}"
