"""What is proposed to a round: a submitter's selected results, and the verdicts on them."""
