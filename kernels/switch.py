"""A switch over the codes of operations, written from a table of kernels."""

from collections.abc import Callable


def make_switch(kernels: dict[int, Callable], arguments: str, decorate) -> Callable:
    """A kernel that calls the one among `kernels` that has a code.

    Compiled code can call no function that it finds in a table, so that the comparisons
    are written out: ``if code == 3: kernel_3(a, b)``, and so on.

    Parameters
    ----------
    kernels : dict of int to kernel
        All take the same arguments.
    arguments : str
        Their names, such as ``"a, b"``.
    decorate : callable
        Makes a kernel of the function.

    Returns
    -------
    kernel
        ``switch(code, a, b)``; False if it knows no such code, else True.
    """
    lines = [f"def switch(code, {arguments}):"]
    for code in kernels:
        lines += [f" if code == {code}:", f"  kernel_{code}({arguments})"]
        lines += ["  return True"]
    lines += [" return False"]
    names = {f"kernel_{code}": kernel for code, kernel in kernels.items()}
    exec(compile("\n".join(lines), __file__, "exec"), names)  # Numba wants a file
    return decorate(names["switch"])
