"""Settings on the command line: options of the commands, and the settings built from them."""
