"""Blocks run on a Ray cluster; imports Ray only when an executor is made."""
