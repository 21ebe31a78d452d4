"""The daemon as a whole: what is started in which order, and the tree of actors as data."""
