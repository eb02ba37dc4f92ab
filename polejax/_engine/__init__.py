"""Engine: many chains on many devices."""
