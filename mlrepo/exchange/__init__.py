"""Exchange of results with others: import, review, export and packing."""
