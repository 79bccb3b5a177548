"""Features that a frozen backbone computes once: of frames and of their changed copies, with their cache."""
