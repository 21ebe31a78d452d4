"""The one file that says everything: its schema, its units, and errors that name the line."""
