"""Learning rates: controllers, how a rate follows the size of a training, and how it rises to its peak."""
