"""Simulated days of a plant as data: the scraped series, and exactly the alerts that fire."""
