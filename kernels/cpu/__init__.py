"""CPU kernels, compiled by Numba once per machine and cached on disk."""
