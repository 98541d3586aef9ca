"""Where a label's score comes from: labels with known truth, and what their evidence says of it."""
