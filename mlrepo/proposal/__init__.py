"""What is proposed to a round: the selected results of a submitter, and the verdicts on them."""
