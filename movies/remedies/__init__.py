"""Which change of the configuration takes away a reason against a release, reason by reason."""
