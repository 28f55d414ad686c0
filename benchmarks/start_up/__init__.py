"""What a fit costs beside its training, and small data."""
