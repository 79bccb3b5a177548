"""The worker: reads frames from Kafka, inspects them, and publishes results and defect events.

docs/explanation/frame-path.md follows one frame through the packages.
"""
