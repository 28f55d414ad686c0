"""A run, whichever engine trains: settings, scaling, progress, its end."""
