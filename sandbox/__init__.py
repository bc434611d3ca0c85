"""Everything that lets Gatehouse run with no account; never deployed."""
