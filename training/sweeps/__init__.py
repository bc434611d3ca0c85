"""A strategy's parameter sets on recorded bars, through the fast engine."""
