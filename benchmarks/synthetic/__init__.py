"""Bottom-view movies of a mouse, made up by a program, with the true positions of its parts."""

from benchmarks.synthetic.files import write_avi, write_mp4
from benchmarks.synthetic.isxb import write_isxb
from benchmarks.synthetic.mouse import BODY_PARTS
from benchmarks.synthetic.movies import MouseMovie

__all__ = ["BODY_PARTS", "MouseMovie", "write_avi", "write_isxb", "write_mp4"]
