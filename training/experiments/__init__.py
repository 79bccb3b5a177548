"""Experiments with several fits: cross-validation, comparison of networks, leaderboard."""
