"""hogblock beside PyTorch, JAX and scikit-learn on a processor."""
