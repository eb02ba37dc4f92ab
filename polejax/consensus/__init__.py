"""Consensus: the round, and the chain that rounds make."""
