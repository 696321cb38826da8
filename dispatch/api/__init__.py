"""The dispatch API that Rails speaks, mounted at /api/v1/; docs/api.md describes it.

`requests` says what may be sent, `answers` what is sent back, `problems` how errors look.
`acceptance` turns a checked request into a suite run and its Tasks.
"""
