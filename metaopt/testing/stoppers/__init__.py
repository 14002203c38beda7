"""Checks of stoppers."""
