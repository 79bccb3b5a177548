"""Checks of a data set that survey, fit, crossval and compare share."""
