"""Frozen TensorFlow graphs, read without TensorFlow."""
