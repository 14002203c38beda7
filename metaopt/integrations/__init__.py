"""Thin adapters for frameworks that own the training loop; import the one you need."""
