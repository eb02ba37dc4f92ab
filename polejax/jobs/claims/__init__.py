"""The claims job: each claim of Lan, Liu and Li with a verdict, its numbers and a figure, from one command."""
