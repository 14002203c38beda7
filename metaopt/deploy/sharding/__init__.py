"""Optimizers of which each rank holds a part of the parameters."""
