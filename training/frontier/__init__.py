"""The accuracy-cost frontier: how accurate networks, cuts, input sizes, decodings and precisions are at which cost."""
