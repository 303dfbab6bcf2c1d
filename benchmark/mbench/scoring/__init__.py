"""From rankings to numbers: metrics, intervals, the one way to a score."""
