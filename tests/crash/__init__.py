"""The crash test: everything is killed at random while Tasks run, and nothing is lost.

python -m tests.crash [--tasks 200] [--duration 120] [--seed N] [--faults web,agent,…]
"""
