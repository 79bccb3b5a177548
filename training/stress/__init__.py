"""What a model withstands: its verdicts on frames that are changed on purpose."""
