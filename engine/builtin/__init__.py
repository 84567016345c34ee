"""A small bottom-view model and a movie to try it on, which come with posestream."""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
"""A DeepLabCut export: `pose_cfg.yaml` and `snapshot-<iterations>.pb`."""

DEMO_MOVIE = Path(__file__).parent / "demo.isxb"
"""Ten seconds of a made-up mouse seen from below, in infrared light, with dropped frames."""

__all__ = ["DEMO_MOVIE", "MODEL_DIR"]
