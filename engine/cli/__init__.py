"""The command `posestream`: its arguments, its subcommands and what it prints."""

from engine.cli.command import main

__all__ = ["main"]
