"""What channels are really worth: the drop of a figure without each of them, and whether rankings agree with it."""
