"""Money that moves: direct debits to the bank, its statements back, card providers, vouchers.

What comes in is kept whole before it is read into payments; each fact has an id of its own, so that told twice it is once.
"""
