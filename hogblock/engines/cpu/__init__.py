"""The engine of the host: worker processes on shared memory."""
