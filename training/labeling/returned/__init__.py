"""Takes back what a person labelled and corrected in a labelling tool."""
