"""Commands of the command line that are larger than a few lines; cli.py gives them their names."""
