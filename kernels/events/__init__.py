"""Compiled parts of the event model of asynchrony."""
