"""Training motions in memory: what readers of data sets give and trainers take."""
