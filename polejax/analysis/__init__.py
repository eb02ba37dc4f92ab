"""Analysis: from histories to estimates and figures, on the host in float64."""
