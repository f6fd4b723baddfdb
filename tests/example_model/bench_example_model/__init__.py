"""An example of a third party's network."""
