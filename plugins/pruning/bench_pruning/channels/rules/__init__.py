"""What operations and modules do to labels; one family a module."""
