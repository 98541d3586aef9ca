"""Prefect flows, the command line and the report: order, retries, progress."""
