"""Small movies of conditions that people meet, each named after its own."""

from pathlib import Path

CASES = Path(__file__).parent
