"""From bars to a published model; never deployed with the functions."""
