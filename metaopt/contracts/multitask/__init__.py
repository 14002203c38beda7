"""Several tasks that share a trunk, and what plugins make of their losses and gradients."""
