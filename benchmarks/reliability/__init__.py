"""Reliability: what hogblock survives, tried often enough to be believed."""
