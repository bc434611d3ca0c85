"""Stories beside bars: whether what was written says anything of what the price did next."""
