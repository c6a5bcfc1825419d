"""What goes over the wire: requests and answers, as JSON and as records."""
