"""The HTTP side, a process of its own."""
