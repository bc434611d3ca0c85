"""The dashboard: reads tables and blobs, and never needs the function app up (docs/DASHBOARD_SPEC.md)."""
