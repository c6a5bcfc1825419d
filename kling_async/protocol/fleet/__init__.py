"""The fleet's pure logic: job states, learned limits, names and target paths."""
