"""Mechanisms: one law of work a file."""
