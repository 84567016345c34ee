"""Write the demo movie: ``python -m benchmarks.synthetic demo.isxb``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.synthetic.demo import write_demo


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="file to write, .isxb")
    write_demo(parser.parse_args().path)


if __name__ == "__main__":
    main()
