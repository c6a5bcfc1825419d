"""Rules that several endpoints share: a request in, its problems out. Each is typed on what it looks at.

A rule never raises, whatever values the request was given, and reports a problem only once.
"""
