"""Arithmetic that several rules of this package share."""
