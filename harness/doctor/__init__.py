"""Doctor: what this machine can measure, what is odd about it, and what to do."""
