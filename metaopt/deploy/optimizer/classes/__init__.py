"""Optimizer classes of libraries at work: made, tried out, hooked, and what they need."""
