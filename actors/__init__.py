"""The actors: who does the work, and the messages they tell each other."""
