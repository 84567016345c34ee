"""The options of a live run, beside those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.untrusted.quoting import short
from readers import InputError
from sinks.publishing import check_spec, socket_path

WHEN_BEHIND = ("all", "skip")
DEFAULT_END_AFTER_S = 10.0
_LONGEST_S = 86_400


@dataclass(frozen=True)
class LiveOptions:
    """The way in which a recording is read, and the places where its poses and status go.

    Attributes
    ----------
    source
        A file that is being written, a folder that is being filled with them, ``-`` for standard
        input, a capture device, or a URL.
    end_after_s
        The recording has ended when nothing has come for so many seconds.
    when_behind
        ``all``: every frame in its turn; ``skip``: the newest one, where the machine is too slow.
    publish
        Places that get each pose at once: see `sinks.publishing.check_spec`.
    status
        A file that holds the status of the run; None for none.
    preview
        Port, or host and port, of a page that shows the run; None for none.
    preview_token
        Needed by browsers, where the page can be reached from other machines; None for the text in
        the environment's POSESTREAM_PREVIEW_TOKEN.
    preview_token_file
        A file with the token, for its owner alone; None for none.

    Raises
    ------
    InputError
        If a value breaks its rule.
    """

    source: str
    end_after_s: float = DEFAULT_END_AFTER_S
    when_behind: str = "all"
    publish: str | Sequence[str] = ()
    status: Path | None = None
    preview: str | None = None
    preview_token: str | None = None
    preview_token_file: Path | None = None

    def __post_init__(self) -> None:
        publish = [self.publish] if isinstance(self.publish, str) else self.publish
        object.__setattr__(self, "publish", tuple(publish))
        object.__setattr__(self, "status", None if self.status is None else Path(self.status))
        if not self.source.strip():
            raise InputError("source '': must be a file, a folder, a device, a URL, or -")
        if not 0 < self.end_after_s <= _LONGEST_S:
            raise InputError(
                f"end after s {short(self.end_after_s)}: must be a number of seconds above 0, "
                f"at most {_LONGEST_S}"
            )
        if self.when_behind not in WHEN_BEHIND:
            raise InputError(
                f"when behind {short(self.when_behind)}: allowed are {', '.join(WHEN_BEHIND)}"
            )
        for specification in self.publish:
            check_spec(specification)
        for index, specification in enumerate(self.publish):
            if specification in self.publish[:index]:
                raise InputError(f"publish: {short(specification)} was given twice")

    @property
    def named_files(self) -> list[Path]:
        """The files that are made where the options say."""
        sockets = [socket_path(specification) for specification in self.publish]
        return [path for path in (self.status, *sockets) if path is not None]

    @property
    def skips(self) -> bool:
        """Whether the newest frame counts."""
        return self.when_behind == "skip"
