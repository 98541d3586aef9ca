"""The page of an evaluation: tables, charts with intervals, and players, in one HTML file."""
