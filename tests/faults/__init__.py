"""Faults on purpose: frames go through workers on Apache Kafka while both are hurt, and then each frame is counted.

    plan -> run: crew, proxy, kafka, models, traffic, strikes, play -> history -> judge -> report

`python -m tests.faults --help` says how to run it.
"""
