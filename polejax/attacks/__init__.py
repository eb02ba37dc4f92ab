"""Attacks: whoever deviates, and how well it is caught."""
