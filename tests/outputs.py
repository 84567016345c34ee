"""What a run of one movie leaves, annotations in .parquet."""

OUTPUTS_OF_ONE_MOVIE = {
    "dlc_annotations.parquet",
    "dlc_labeled_movie.0.mp4",
    "dlc_pose_estimates.0.h5",
    "hist.0.svg",
    "output_metadata.json",
    "plot-likelihood.0.svg",
    "plot.0.svg",
    "trajectory.0.png",
}
