"""The board for engineers, one module per row."""
