"""Contracts about a model that training, export and the worker share."""
