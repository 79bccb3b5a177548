"""The board for operators, one module per row."""
