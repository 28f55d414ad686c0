"""Benchmarks: a room a subject, and what they share. See README.md here.

Run from the root of a checkout, as ``python -m benchmarks.<room>.<script>``.
"""

from benchmarks.checkout import use_checkout

use_checkout()
