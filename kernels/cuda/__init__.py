"""Kernels for NVIDIA GPUs (numba-cuda); they know arrays, and no model or process."""
