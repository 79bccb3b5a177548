"""Inspection, comparison and listing of bundles."""
