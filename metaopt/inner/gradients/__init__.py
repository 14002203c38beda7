"""Where a population's gradients come from: one vmapped function, or a loop."""
