"""Properties of pure functions are judged by their facts, not by how busy the machine is."""

from hypothesis import settings

settings.register_profile("movies", deadline=None)
settings.load_profile("movies")
