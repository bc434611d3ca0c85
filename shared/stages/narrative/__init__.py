"""The news: stories read, narratives asked for, records of what was said."""
