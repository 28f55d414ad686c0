"""Fits on several nodes of one machine: quality, cost, faults, and a simulation."""
