"""Results set against each other: are they comparable, how far apart are they, where does the difference come from."""
