"""How many members' rules take a step together: buffers, hyperparameters, rates."""
