"""Tables of poses: DeepLabCut's .h5 and experiment annotations."""
