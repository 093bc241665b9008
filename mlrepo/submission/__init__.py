"""What leaves the laboratory: truncated logs, and the guards of commit and push."""
