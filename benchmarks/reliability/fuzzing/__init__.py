"""Hostile files: made from good ones, loaded, and what came of it."""
