"""Results of others: imported, reviewed, packed to be sent."""
