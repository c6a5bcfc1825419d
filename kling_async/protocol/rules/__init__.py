"""Rules that several endpoints share: each takes a request and yields its problems.

The type of a rule's argument names the fields that the rule checks. A rule never raises, whatever the values of the
request, and reports a problem only once.
"""
