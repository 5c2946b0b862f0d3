"""What is seen and remembered: log monitors, the access log, and later activity, captures and metrics.

Nothing in here may cost a request: a writer never waits for a reader, whatever the reader is.
"""
