"""What the work costs: the host beside a straight-line program, and single parts of it."""
