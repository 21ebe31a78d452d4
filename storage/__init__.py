"""What survives a restart: the database, the data folder, and the files."""
