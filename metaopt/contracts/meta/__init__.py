"""How rules are meta-trained, and what learners implement."""
