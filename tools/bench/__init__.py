"""Benchmarks: the cost of this library compared with plain code for the same task, in one run on one machine.

Every figure is a pair, ours and the reference, measured in turns; only their ratio means something on other
machines. There are no assertions: a test that fails because a machine is busy helps nobody.
"""
