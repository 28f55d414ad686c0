"""The command line, called in this process."""

from hogblock import cli


def train(*arguments):
    """Exit code of ``hogblock train``."""
    return cli.main(["train", *map(str, arguments), "--quiet", "--seed", "0"])
