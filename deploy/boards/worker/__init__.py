"""The board for engineers, one module for each row."""
