"""Compiled kernels: they know arrays, and no model or process."""
