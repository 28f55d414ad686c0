"""Kernels of the host, alone on one core."""
