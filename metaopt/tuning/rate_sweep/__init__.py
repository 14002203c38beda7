"""Rates side by side: what a sweep of them says, on a task and in a loop of one's own."""
