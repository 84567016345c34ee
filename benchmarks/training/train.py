"""Train the built-in model on generated movies and export it as DeepLabCut does.

    PYTHONPATH=. PEER/bin/python -m benchmarks.training.train DEST

PEER is an environment with DeepLabCut 2.3.11 on TensorFlow. The network is DeepLabCut's own
MobileNetV2-0.35 (or ResNet-50) with its own heads and losses, from random weights. DEST gets
`pose_cfg.yaml` and `snapshot-<iterations>.pb`.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import threading
import time
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.synthetic import BODY_PARTS
from benchmarks.training.pool import (
    FIRST_TRAINING_SEED,
    LOCREF_STDEV_PX,
    POS_DIST_THRESH_PX,
    STRIDE_PX,
    Pool,
    targets,
)

os.environ.setdefault("DLClight", "True")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

DLC = "deeplabcut.pose_estimation_tensorflow"  # not installed beside posestream
TASK, DATE = "BottomViewSynthetic", "Nov22"
NETWORKS = ("mobilenet_v2_0.35", "resnet_50")
CROP_PX = 256
FULL_FRAME = (480, 640)
BATCH_NORM_DECAY = 0.98
HIGHEST_RATE, LOWEST_RATE, WARM_UP = 2e-3, 1e-4, 0.02
SEED = 20

log = logging.getLogger(__name__)


def pose_cfg(network: str) -> dict[str, Any]:
    """Give what DeepLabCut's `export_model` writes beside the graph, less the augmentation."""
    return {
        "all_joints": [[i] for i in range(len(BODY_PARTS))],
        "all_joints_names": list(BODY_PARTS),
        "batch_size": None,
        "crop_pad": 0,
        "dataset": f"training-datasets/iteration-0/UnaugmentedDataSet_{TASK}{DATE}/"
        f"{TASK}_generated95shuffle1.mat",
        "dataset_type": "imgaug",
        "deterministic": False,
        "fg_fraction": 0.25,
        "global_scale": 1.0,
        "init_weights": "TBA",
        "intermediate_supervision": False,
        "intermediate_supervision_layer": 12,
        "location_refinement": True,
        "locref_huber_loss": True,
        "locref_loss_weight": 0.05,
        "locref_stdev": LOCREF_STDEV_PX,
        "max_input_size": 1500,
        "mean_pixel": [123.68, 116.779, 103.939],
        "metadataset": f"training-datasets/iteration-0/UnaugmentedDataSet_{TASK}{DATE}/"
        f"Documentation_data-{TASK}_95shuffle1.pickle",
        "min_input_size": 64,
        "mirror": False,
        "multi_stage": False,
        "net_type": network,
        "num_joints": len(BODY_PARTS),
        "num_outputs": 1,
        "optimizer": "adam",
        "pairwise_huber_loss": False,
        "pairwise_predict": False,
        "partaffinityfield_predict": False,
        "pos_dist_thresh": int(POS_DIST_THRESH_PX),
        "project_path": "TBA",
        "regularize": False,
        "scoremap_dir": "test",
        "shuffle": True,
        "snapshot_prefix": "TBA",
        "stride": float(STRIDE_PX),
        "weigh_negatives": False,
        "weigh_only_present_joints": False,
        "weigh_part_predictions": False,
        "weight_decay": 0.0001,
    }


def build_networks_with(*, is_training: bool) -> None:
    """Make DeepLabCut build its networks with batch normalisation in this mode.

    Its own moving averages would need ten times the steps. It leaves batch normalisation of
    MobileNets in training mode, so that a pose depends on which frames share the batch, and that
    of ResNets in the other one, in which they cannot learn from random weights.
    """
    _build_mobilenet_with(is_training=is_training)
    _build_resnet_with(is_training=is_training)


def _build_resnet_with(*, is_training: bool) -> None:
    resnet = import_module(f"{DLC}.nnets.resnet")
    resnet_v1 = resnet.resnet_v1
    resnet_v1.resnet_arg_scope = partial(
        resnet_v1.resnet_arg_scope, batch_norm_decay=BATCH_NORM_DECAY
    )

    def network(inputs: Any, **settings: Any) -> Any:
        return resnet_v1.resnet_v1_50(inputs, **(settings | {"is_training": is_training}))

    resnet.net_funcs["resnet_50"] = network


def _build_mobilenet_with(*, is_training: bool) -> None:
    mobilenet_v2 = import_module(f"{DLC}.backbones.mobilenet_v2")
    mobilenet = import_module(f"{DLC}.nnets.mobilenet")
    base = mobilenet.wrapper(
        mobilenet_v2.mobilenet_base,
        depth_multiplier=0.35,
        finegrain_classification_mode=True,
        is_training=is_training,
    )
    scope = partial(mobilenet_v2.training_scope, is_training=is_training, bn_decay=BATCH_NORM_DECAY)
    mobilenet.networks["mobilenet_v2_0.35"] = (base, scope)


def pose_network(folder: Path) -> Any:
    """DeepLabCut's network for the `pose_cfg.yaml` in `folder`, for batches of any size."""
    cfg = import_module(f"{DLC}.config").load_config(str(folder / "pose_cfg.yaml"))
    cfg["batch_size"] = None
    return import_module(f"{DLC}.nnets.factory").PoseNetFactory.create(cfg)


class Batches:
    """Batches drawn by a thread, so that drawing and training overlap."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queue: queue.Queue[Any] = queue.Queue(maxsize=6)
        self._size = (8, CROP_PX, CROP_PX)
        threading.Thread(target=self._draw, daemon=True).start()

    def _draw(self) -> None:
        while True:
            size = self._size
            images, points = self._pool.batch(*size)
            self._queue.put((size, images, *targets(points, *size[1:])))

    def next(self, size: tuple[int, int, int]) -> tuple[NDArray[np.float32], ...]:
        """Images, scores, offsets and mask of `size`: crops, height and width."""
        self._size = size
        while True:
            drawn, *arrays = self._queue.get()
            if drawn == size:
                return tuple(arrays)


def learning_rate(progress: float, highest: float) -> float:
    """Warm up shortly, then fall along a cosine."""
    if progress < WARM_UP:
        return highest * (0.1 + 0.9 * progress / WARM_UP)
    fall = 0.5 * (1 + np.cos(np.pi * progress))
    return float(LOWEST_RATE + (highest - LOWEST_RATE) * fall)


@dataclass(frozen=True)
class TrainingGraph:
    """The network in training, with its loss and its optimiser.

    Attributes
    ----------
    fed
        Placeholders of images, scores, offsets and mask.
    rate
        Placeholder of the learning rate.
    step
        Trains on what is fed, updates the moving averages, and gives the loss.
    """

    fed: tuple[Any, ...]
    rate: Any
    step: Any

    @classmethod
    def build(cls, folder: Path) -> TrainingGraph:
        """Build DeepLabCut's network with the settings in `folder`."""
        import tensorflow as tf

        slim = import_module("tf_slim")
        names = import_module(f"{DLC}.datasets").Batch
        tf1 = tf.compat.v1
        tf1.set_random_seed(SEED)
        build_networks_with(is_training=True)
        channels = {
            names.inputs: 3,
            names.part_score_targets: len(BODY_PARTS),
            names.locref_targets: 2 * len(BODY_PARTS),
            names.locref_mask: 2 * len(BODY_PARTS),
        }
        fed = {
            name: tf1.placeholder(tf.float32, [None, None, None, depth])
            for name, depth in channels.items()
        }
        loss = pose_network(folder).train(fed)["total_loss"]
        rate = tf1.placeholder(tf.float32, [])
        step = slim.learning.create_train_op(loss, tf1.train.AdamOptimizer(rate))
        return cls(tuple(fed.values()), rate, step)


def train(
    folder: Path, pool: Pool, minutes: float, highest_rate: float, done: int, *, bfloat16: bool
) -> int:
    """Train for `minutes`, save the variables, return the number of iterations.

    It starts from the variables in `folder` if any iterations are `done`, else from random ones.

    The last eighth of the time goes to whole frames: what the network will be run on.
    """
    import tensorflow as tf

    graph, batches = TrainingGraph.build(folder), Batches(pool)
    started = time.monotonic()
    iteration, running = done, 0.5
    config = tf.compat.v1.ConfigProto()
    if bfloat16:
        config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1
    with tf.compat.v1.Session(config=config) as session:
        saver = tf.compat.v1.train.Saver()
        session.run(tf.compat.v1.global_variables_initializer())
        if done:
            saver.restore(session, str(folder / "variables"))
        while (progress := (time.monotonic() - started) / (60 * minutes)) < 1:
            size = (8, CROP_PX, CROP_PX) if progress < 0.875 else (3, *FULL_FRAME)
            feed = dict(zip(graph.fed, batches.next(size), strict=True))
            rate = learning_rate(progress, highest_rate)
            loss = session.run(graph.step, feed | {graph.rate: rate})
            iteration, running = iteration + 1, 0.98 * running + 0.02 * loss
            if iteration % 50 == 0:
                log.info("%6d %6.1f %% loss %.5f", iteration, 100 * progress, running)
        saver.save(session, str(folder / "variables"), write_meta_graph=False)
    return iteration


def export(folder: Path, iterations: int) -> Path:
    """Freeze the trained network, batch normalisation in inference mode, poses as last op."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    tf1.reset_default_graph()
    build_networks_with(is_training=False)
    pose_network(folder).inference(tf1.placeholder(tf.float32, [None, None, None, 3]))
    with tf1.Session() as session:
        tf1.train.Saver().restore(session, str(folder / "variables"))
        frozen = tf1.graph_util.convert_variables_to_constants(
            session, session.graph_def, ["concat_1"]
        )
    path = folder / f"snapshot-{iterations}.pb"
    path.write_bytes(frozen.SerializeToString())
    return path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dest", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0, help="of training alone")
    parser.add_argument("--movies", type=int, default=400)
    parser.add_argument("--network", choices=NETWORKS, default=NETWORKS[0])
    parser.add_argument("--frames-per-movie", type=int, default=10)
    parser.add_argument(
        "--highest-rate",
        type=float,
        default=HIGHEST_RATE,
        help="of learning; a fifth of it refines what has learned",
    )
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="convolve in bfloat16: 1.6 times the iterations on a processor that has it",
    )
    parser.add_argument("--done", type=int, default=0, help="iterations that DEST stands at")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    args.dest.mkdir(parents=True, exist_ok=True)
    (args.dest / "pose_cfg.yaml").write_text(yaml.safe_dump(pose_cfg(args.network)))

    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    pool = Pool(FIRST_TRAINING_SEED + args.done, args.movies, args.frames_per_movie)
    log.info("frames drawn")
    iterations = train(
        args.dest, pool, args.minutes, args.highest_rate, args.done, bfloat16=args.bfloat16
    )
    log.info("%s", export(args.dest, iterations))


if __name__ == "__main__":
    main()
