"""Training on CUDA devices; imported once one of them is in use."""
