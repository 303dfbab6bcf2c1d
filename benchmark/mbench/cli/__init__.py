"""The command line: parses, prints, returns exit codes; no logic."""
