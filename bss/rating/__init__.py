"""Kinds of price, one file each: pure functions from a period's usage to priced items with the computation that led there."""
