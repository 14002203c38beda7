"""Optimizers' `state_dict`: names, order, conversion between class and rule, damage."""
