"""Checks of optimizers and wrappers."""
