"""Where a finished task's videos are, and what their files are called."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from kling_async.io.target import Target
from kling_async.protocol import addresses
from kling_async.protocol.errors import DownloadError, Remedy
from kling_async.protocol.tasks import Task, Video

Refresh = Callable[[], Awaitable[Task]]
"""Asks the service for the task anew: its addresses expire."""


class Source:
    """Where a task's videos are, asked for anew when the addresses expire or nothing is there yet.

    Args:
        task: finished.
        refresh: asks for it anew.
        watermark: whether the watermarked variants are meant.
        scheme: that addresses without one have.
        is_new: whether the task ended a moment ago.
    """

    def __init__(
        self, task: Task, refresh: Refresh, *, watermark: bool, scheme: str, is_new: Callable[[Task], bool]
    ) -> None:
        self._task = task
        self._refresh = refresh
        self._watermark = watermark
        self._scheme = scheme
        self._is_new = is_new
        self._renewed: set[int] = set()
        self._arriving = False
        self.reference = task.reference

    def is_complete(self) -> bool:
        """Whether all that was made is told of: a task may succeed a moment before its results are listed."""
        videos = self._task.videos
        marked = not (self._watermark and self._task.watermark) or all(video.watermark_url for video in videos)
        return bool(videos) and marked

    def count(self) -> int:
        """How many videos there are.

        Raises:
            DownloadError: none, or none that could be fetched.
        """
        count = len(self._task.videos)
        if not count:
            raise DownloadError("the finished task has no video", reference=self.reference)
        problems = [self.problem(index) for index in range(count)]
        if all(problems) and problems[0] is not None:
            raise problems[0]
        return count

    def problem(self, index: int) -> DownloadError | None:
        """Why a video cannot be fetched, if that is known already."""
        try:
            self.address(index)
        except DownloadError as error:
            return error.about(self.reference)
        return None

    def label(self, index: int) -> str:
        """Names the video for ever, whatever its address is at the moment."""
        name = self._video(index).id or index + 1
        return f"{self._task.task_id}/{name}" + ("/watermark" if self._watermark else "")

    def address(self, index: int) -> str:
        """Where it can be fetched at the moment, as it goes out.

        Raises:
            DownloadError: nowhere.
        """
        video = self._video(index)
        address = video.watermark_url if self._watermark else video.url
        if address:
            return addresses.usable(address, self._scheme)
        if self._watermark:
            raise DownloadError("the task has no watermarked video", remedy=Remedy.WATERMARK, reference=self.reference)
        if video.watermark_url:
            raise DownloadError(
                "the task has a watermarked video only", remedy=Remedy.SAVE_WATERMARK, reference=self.reference
            )
        raise DownloadError("the service gave no address of the video", reference=self.reference)

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
                "the file host refuses the video's address, also a fresh one; results are kept for 30 days",
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

    def _video(self, index: int) -> Video:
        if index >= len(self._task.videos):
            raise DownloadError("the task does not have this video any more", reference=self.reference)
        return self._task.videos[index]


def file_for(place: Target, task_id: str, index: int, *, watermark: bool) -> Path:
    """The file of one of a task's videos: the place itself, or a name of its own in a directory."""
    number = f"-{index + 1}" if index else ""
    if place.is_directory:
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in task_id)
        return place.path / f"{name}{'-watermark' if watermark else ''}{number}.mp4"
    return place.path.with_name(f"{place.path.stem}{number}{place.path.suffix}") if index else place.path
