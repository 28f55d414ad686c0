"""Models and checkpoints in files: safetensors and JSON, no pickle."""
