"""What scores mean: references, comparisons, intervals."""
