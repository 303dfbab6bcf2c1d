"""What others see: the leaderboard and exports."""
