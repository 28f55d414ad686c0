"""The command line."""

from hogblock.cli.parser import main

__all__ = ["main"]
