"""The commands behind the command line: arguments in, an `Outcome` out.

Heavy imports wait until a command runs: `crossdiff --help` answers at once.
"""
