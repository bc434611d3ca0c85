"""The app's own stages, gates and order lifecycle on recorded or seeded days, in one process and in virtual time."""
