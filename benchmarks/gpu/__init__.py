"""The engine for graphics cards: measured beside PyTorch, and predicted."""
