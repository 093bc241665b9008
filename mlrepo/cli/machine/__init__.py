"""Commands about the machine that is measured."""
