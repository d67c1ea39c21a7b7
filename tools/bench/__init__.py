"""Benchmarks: what this library costs beside the plain way of doing the same, in one run on one machine.

Every figure is a pair, ours and the reference, measured in turns; only their ratio says something elsewhere.
Nothing here asserts: a test that fails because a machine is busy helps nobody.
"""
