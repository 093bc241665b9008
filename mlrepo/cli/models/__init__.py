"""Commands about models and data sets."""
