"""A real indexer, a real seeder and a real film, small enough to try Understudy offline."""
