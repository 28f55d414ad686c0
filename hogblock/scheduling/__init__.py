"""Who takes which step when, and how old is what it reads: schedulers, and event logs.

Their public module is ``hogblock.asynchrony``.
"""
