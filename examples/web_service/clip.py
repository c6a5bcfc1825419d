"""One clip: the request as it is stored on disk, and how it is shown."""

import json
import os
import shutil
from pathlib import Path
from typing import IO, Any, Final

import attrs

from examples.web_service import options
from kling_async import Entry, EntryState, Estimate, ImageToVideo, Progress, estimate

FORM: Final = "form.json"
"""A file in the directory of each clip."""
_FAILURE: Final = "failure.json"


@attrs.frozen(kw_only=True)
class Clip:
    """A clip that a person requested.

    Attributes:
        id: the name of its directory, and the key of the work in the journal.
        directory: of its files.
        fields: texts of the form.
        created_at: in UTC, in ISO 8601 format.
        failure: status and message, if it was refused permanently.
    """

    id: str
    directory: Path
    fields: dict[str, str]
    created_at: str
    failure: dict[str, str] | None = None

    @property
    def person(self) -> str:
        """The name of its person, once it is in its final directory."""
        return self.directory.parent.name

    @property
    def picture(self) -> Path:
        """The path of the picture, as it was uploaded."""
        return self.directory / "picture"

    @property
    def picture_type(self) -> str:
        """The media type by the picture's bytes, which were checked, not by its file name; blocks."""
        with self.picture.open("rb") as file:
            return "image/png" if file.read(4) == b"\x89PNG" else "image/jpeg"

    @property
    def video(self) -> Path:
        """The path to save the video to."""
        return self.directory / "video.mp4"

    @property
    def request(self) -> ImageToVideo:
        """The request to send."""
        return options.request_of(self.fields, self.picture)

    @classmethod
    def read(cls, directory: Path) -> "Clip":
        """Reads a clip from its directory; blocks."""
        failure = directory / _FAILURE
        return cls(
            id=directory.name,
            directory=directory,
            **json.loads((directory / FORM).read_text("utf-8")),
            failure=json.loads(failure.read_text("utf-8")) if failure.exists() else None,
        )

    def keep(self, picture: IO[bytes]) -> None:
        """Writes picture and form to disk with fsync, so that they survive a power cut; blocks."""
        self.directory.mkdir(parents=True)
        with self.picture.open("xb") as file:
            shutil.copyfileobj(picture, file)
            file.flush()
            os.fsync(file.fileno())
        _write(self.directory / FORM, {"fields": self.fields, "created_at": self.created_at})

    def fail(self, status: str, message: str) -> None:
        """Stores why there will be no video; blocks."""
        _write(self.directory / _FAILURE, {"status": status, "message": message})


def _write(path: Path, value: Any) -> None:
    """Writes JSON atomically."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def sync(directory: Path) -> None:
    """Makes new names in a directory survive a power cut; blocks."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@attrs.frozen
class Shown:
    """A clip with its journal entry."""

    clip: Clip
    entry: Entry | None = None
    progress: Progress | None = None

    @property
    def status(self) -> str:
        """The status in one word, for the page."""
        return self._outcome[0]

    @property
    def message(self) -> str:
        """Why there is no video."""
        return self._outcome[1]

    @property
    def _outcome(self) -> tuple[str, str]:
        entry, failure = self.entry, self.clip.failure
        if failure is not None:
            return failure["status"], failure["message"]
        if entry is None or entry.state is EntryState.REFUSED:
            return "waiting", ""
        if entry.state is EntryState.LOST:
            return "unknown", f"It may be billed: {entry.error}"
        if entry.state in {EntryState.INTENT, EntryState.ACCEPTED}:
            return "running", "No answer yet whether it was accepted." if entry.error else ""
        return ("failed", entry.error or "The service could not make it.") if entry.failed else ("done", "")

    @property
    def is_final(self) -> bool:
        """Whether the status is final."""
        return self.status in {"done", "failed", "unknown"}

    def as_json(self) -> dict[str, Any]:
        """Returns the clip in the format that the page expects."""
        clip, request, path = self.clip, self.clip.request, f"/api/clips/{self.clip.id}"
        progress = self.progress if self.status == "running" else None
        left = None if progress is None else progress.seconds_left
        cost = estimate(request)
        if self.entry is not None and self.entry.units is not None:
            cost = Estimate(units=self.entry.units, usd=self.entry.list_price or cost.usd)
        return {
            "id": clip.id,
            "prompt": request.prompt or "",
            "model_name": request.model_name,
            "mode": request.mode or "std",
            "duration": request.duration,
            "sound": request.sound is True,
            "status": self.status,
            "message": self.message,
            "share": None if progress is None else round(progress.share, 3),
            "seconds_left": None if left is None else round(left),
            "created_at": clip.created_at,
            **options.price(cost),
            "picture": f"{path}/picture",
            "video": f"{path}/video" if self.status == "done" else None,
            "events": f"{path}/events",
        }
