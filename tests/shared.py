"""Real movies, exports and reference outputs, where this checkout has them beside it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"
MODELS = SHARED / "models"
INSCOPIX = SHARED / "data/inscopix"
OPENFIELD = SHARED / "data/openfield"
OPENFIELD_MOVIE = OPENFIELD / "m3v1mp4_trimmed_1s.mp4"
ISXB_MOVIE = INSCOPIX / "2023-01-27-10-34-22-camera-1_trimmed_1s.isxb"
AVI_MOVIE = INSCOPIX / "2023-01-31-12-12-08_video_e3v8251-20230131T121212-122254_trimmed_1s.avi"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the shared recordings and models"
)
