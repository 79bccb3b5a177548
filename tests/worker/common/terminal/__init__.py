"""Tests of the command line and the output of commands."""
