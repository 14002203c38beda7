"""A controller as a torch learning-rate scheduler."""
