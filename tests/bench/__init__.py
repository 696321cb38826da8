"""`make bench`: the speed of the parts that must be fast, measured against bare ones beside them.

docs/benchmarks.md says what each measurement means.
"""
