"""Trading days in one process, in virtual time, with faults, and checkers beside them: deterministic from a seed."""
