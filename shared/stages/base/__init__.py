"""Records that several stages share: ledger, facts, history, runs, incidents, notices."""
