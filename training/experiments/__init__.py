"""Several fits compared: cross-validation, comparison, leaderboard."""
