"""Jobs: what `polejax X` runs."""
