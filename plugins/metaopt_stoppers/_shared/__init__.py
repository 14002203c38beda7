"""Series, fits and comparisons that several stoppers of this package share."""
