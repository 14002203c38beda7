"""Inputs, networks and starts that several learned rules of this package share."""
