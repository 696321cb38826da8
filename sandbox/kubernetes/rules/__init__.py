"""What the API refuses, and what it fills in: the rules for each kind."""
