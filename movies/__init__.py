"""What the daemon knows about movies: pure judgements, without I/O, clock, randomness or logging."""
