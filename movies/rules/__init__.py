"""The rules of decision, one small pure function each, grouped by what they look at."""
