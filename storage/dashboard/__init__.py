"""The curation dashboard: its web server. It reads the tables and writes decisions alone."""
