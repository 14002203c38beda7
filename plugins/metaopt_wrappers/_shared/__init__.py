"""What several wrappers of this package share."""
