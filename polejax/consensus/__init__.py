"""Consensus: the round, what takes part in it, and the chain that rounds build."""
