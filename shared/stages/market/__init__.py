"""Stages that look at the market: scans and news."""
