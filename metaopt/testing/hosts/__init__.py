"""Plugins in the loops of others: hosts that step by themselves, several ranks, sharded parameters."""
