"""Which recorded runs make up a submission, and its branch written from them."""
