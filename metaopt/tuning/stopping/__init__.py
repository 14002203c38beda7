"""Stopping policies chosen by replaying recorded curves."""
