"""Commands beside the path of a frame: simulate, replay, topics, demo."""
