"""Rows that come after training: their cells read as the training rows' were, and turned into the same inputs."""
