"""Fault injection: send frames through workers on Apache Kafka, inject faults into both, and account for every frame.

    plan -> run: crew, proxy, kafka, models, traffic, strikes, play -> history -> judge -> report

`python -m tests.faults --help` describes how to run it.
"""
