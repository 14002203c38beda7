"""Param groups by role, and classes of several optimizers behind one."""
