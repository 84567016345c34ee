"""The command `posestream`: its arguments, its subcommands and its printed text."""

from engine.cli.command import main

__all__ = ["main"]
