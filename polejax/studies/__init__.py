"""Studies: many seeds of many scenarios on disk."""
