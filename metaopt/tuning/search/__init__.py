"""Which candidates are proposed, and how they race."""
