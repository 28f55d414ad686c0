"""Engines: what trains a network, on the host's cores or on CUDA devices."""
