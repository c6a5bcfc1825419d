"""What callbacks cost the process that receives them: a receiver with followers beside a handler that only reads."""
