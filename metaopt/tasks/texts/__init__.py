"""Texts as numbers of tokens, and the model that reads them."""
