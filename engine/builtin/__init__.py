"""A small bottom-view model and a movie to try it on, which come with posestream."""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
"""A DeepLabCut export: `pose_cfg.yaml` and `snapshot-<iterations>.pb`."""

MODEL_SHA256 = "90e6ad620aaa265ffa3e4997c7b50c1256af72dda75329a88c159f505b10e7a9"
MODEL_NUM_BODY_PARTS = 8
"""Hash of its graph, and body parts in it: a model that is known to be good."""

DEMO_MOVIE = Path(__file__).parent / "demo.isxb"
"""Ten seconds of a made-up mouse seen from below, in infrared light, with dropped frames."""

__all__ = ["DEMO_MOVIE", "MODEL_DIR", "MODEL_NUM_BODY_PARTS", "MODEL_SHA256"]
