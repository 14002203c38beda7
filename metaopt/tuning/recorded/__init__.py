"""Runs that were recorded elsewhere, as tasks and as portfolios."""
