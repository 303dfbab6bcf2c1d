"""From items to rankings: encoding and exact search."""
