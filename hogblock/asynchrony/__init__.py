"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""
