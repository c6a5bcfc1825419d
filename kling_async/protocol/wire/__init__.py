"""The wire format: requests and answers, as JSON and as records."""
