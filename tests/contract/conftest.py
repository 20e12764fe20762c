"""Generated cases are not timed one by one: on a busy machine any of them may wait for its turn."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
