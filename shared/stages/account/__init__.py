"""Stages that watch the account: supervision, reconciliation, poison queues, missed runs."""
