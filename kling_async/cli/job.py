"""State of a command's task: enough to report at any moment how to get its result later."""

import enum
import shlex
from collections.abc import Mapping

import attrs


class Stage(enum.Enum):
    """How far a command is with its task."""

    UNSENT = "nothing was sent"
    CREATING = "the create call may have gone out"
    CALLING = "a call that makes no task may have gone out"
    CHARGING = "the same, and it costs something"
    ANSWERED = "that call was answered"
    ATTACHED = "the reference was given; no answer about the task yet"
    ACCEPTED = "the service has the task"
    MADE = "the result is made"
    WORKING = "a worker: other workers can take over its jobs"


@attrs.define
class Job:
    """One command's task.

    Attributes:
        target: where the result is saved; empty where it is no file.
        is_directory: whether the target is a directory, which gets every file of the task.
        overwrite: whether an existing file is replaced.
        watermark: whether the watermarked variant is what is still to be saved.
        base_url: of the service, if it was given as an option.
        emulated: whether the task runs on an emulator that ends with the command.
        reference: of the task, once it may exist.
        stage: reached so far.
        options: option for each field of the request, for messages about fields.
        goes_on: message about what continues if the command is interrupted; None for that of the stage.
    """

    target: str = ""
    is_directory: bool = False
    overwrite: bool = False
    watermark: bool = False
    base_url: str | None = None
    emulated: bool = False
    reference: str | None = None
    stage: Stage = Stage.UNSENT
    options: Mapping[str, str] = attrs.field(factory=dict)
    goes_on: str | None = None

    def save_command(self, *, overwrite: bool = False) -> str | None:
        """Returns the command that gets the result later; None as long as there cannot be one.

        Args:
            overwrite: adds `--overwrite` even if the command had none.
        """
        if self.reference is None or self.emulated:
            return None
        words = ["kling-async", "save", self.reference]
        if self.target:
            words += [f"--output={self.target}"] if self.target.startswith("-") else ["-o", self.target]
        words += ["--watermark"] * self.watermark
        words += ["--overwrite"] * (self.overwrite or overwrite)
        words += ["--base-url", self.base_url] if self.base_url else []
        return shlex.join(words)
