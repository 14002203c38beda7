"""A configuration as a torch optimizer: a library's class, a rule, or a class that a rule steers."""
