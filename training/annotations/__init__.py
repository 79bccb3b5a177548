"""Where the defects are: boxes and masks."""
