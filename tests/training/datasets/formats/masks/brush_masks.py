"""Brush masks as the converter of Label Studio encodes them."""

# Five painted pixels and seven others in one row.
FIVE_OF_TWELVE = [0, 0, 0, 48, 57, 27, 252, 66, 160, 127, 196, 42, 7, 252, 66, 160]
FIVE_OF_TWELVE += [127, 196, 42, 7, 252, 66, 160, 127, 225, 176, 0]
