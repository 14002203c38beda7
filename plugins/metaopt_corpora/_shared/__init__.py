"""Networks and splits that several families of this package share."""
