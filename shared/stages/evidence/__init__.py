"""What is kept of decisions: case files, their replay, reports."""
