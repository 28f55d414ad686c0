"""Estimators with scikit-learn's ``fit`` and ``predict``."""
