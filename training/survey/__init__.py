"""Data set report: class balance, image sizes, duplicates and unreadable files."""
