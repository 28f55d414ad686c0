"""What is installed on a node; sent there as code, since the package may be missing."""


def installed() -> dict[str, str]:
    """Versions by name; what an import of the package fails with is in its place."""
    import platform
    import socket

    found = {"host": socket.gethostname(), "Python": platform.python_version()}
    try:
        import hogblock

        found["hogblock"] = hogblock.__version__
        found["hogblock.distributed"] = str(bool(hogblock.distributed.Averaging))
    except Exception as error:
        found["missing"] = f"{type(error).__name__}: {error}"
    return found
