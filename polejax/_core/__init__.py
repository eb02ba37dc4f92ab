"""Core: records, checks, random numbers, numerics, lanes, files; no word of any protocol."""
