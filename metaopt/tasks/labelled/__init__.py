"""Folders of examples by class: images or texts, and what they are trained on."""
