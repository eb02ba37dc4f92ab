"""Learning: networks and data; no chain, no block."""
