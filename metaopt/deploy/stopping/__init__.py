"""A stopper in a training loop: what it is shown, and what it says."""
