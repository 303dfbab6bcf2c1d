"""Records, specifications and errors that every other room of mbench builds on."""
