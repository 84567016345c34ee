"""What a live run has in its journal of a movie, made from the movie once it is recorded."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.run_folder.journal import Journal, JournalContent, read_journal
from readers import FrameBatch, FrameStatus, MovieInfo, open_movie
from sinks import PoseBatch

NUM_BODY_PARTS = 2


def pose_of(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A pose that tells pictures apart."""
    return np.full((NUM_BODY_PARTS, 3), image.mean())


def write_live_journal(
    path: Path,
    movie: MovieInfo,
    *,
    num_frames: int | None = None,
    skipped: Collection[int] = (),
    is_ended: bool = True,
) -> JournalContent:
    """Write the journal of the first `num_frames` recorded frames, `skipped` ones among them.

    Times are those of arrival, as nobody knows others while an .isxb is recorded.
    """
    content = JournalContent(NUM_BODY_PARTS, 3, is_live=True)
    with (
        Journal(
            path, content, durable_every_s=1e9, durable_every_frames=10**9, damage=lambda: None
        ) as journal,
        open_movie(movie) as reader,
    ):
        images = np.empty((1, *reader.image_shape), np.uint8)
        index = 0
        while index != num_frames and (frame := reader.read(images)) is not None:
            if frame.status[0] == FrameStatus.DROPPED:
                continue
            status = FrameStatus.SKIPPED if index in skipped else FrameStatus(frame.status[0])
            pose = np.full((NUM_BODY_PARTS, 3), np.nan)
            pose[:, 2] = 0
            if status == FrameStatus.DECODED:
                pose = pose_of(frame.images[0])
            journal.push(
                PoseBatch(
                    FrameBatch(
                        index,
                        frame.images,
                        np.array([index / 7]),
                        np.array([np.nan]),
                        np.array([status], np.uint8),
                    ),
                    pose[np.newaxis],
                )
            )
            index += 1
        if is_ended:
            journal.flush()
    written = read_journal(path)
    assert written is not None
    return written
